"""The page at /docs: the OpenAPI document for people. It is whole in itself and loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterable
from html import escape
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import msgspec

from twofold.http import headers
from twofold.http.schema import Schema, resolved, sketch


def _file(name: str) -> str:
    return resources.files("twofold.http").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE, _SCRIPT = _file("docs.css"), _file("docs.js")

POLICY = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: its own style and script by their hashes, requests to its own origin."""


def page(document: dict[str, Any]) -> bytes:
    """Return the page of an OpenAPI document; addresses in it are relative, so it works under any prefix."""
    components = document["components"]["schemas"]
    messages = [(path, operations["post"]) for path, operations in document["paths"].items() if "post" in operations]
    title = escape(document["info"]["title"])
    parts = [
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        '<p>Generated from the declarations; for tools: <a href="openapi.json">openapi.json</a>, '
        '<a href="health/ready">health/ready</a>. Below, <code>$URL</code> is the address of this service.</p>\n'
    ]
    for tag in document["tags"]:
        of_tag = [(path, post) for path, post in messages if tag["name"] in post["tags"]]
        if of_tag:
            parts.append(f"<h2>{escape(tag['name'].capitalize())}</h2>\n<p>{escape(tag['description'])}</p>\n")
            parts.extend(_message(path, post, components) for path, post in of_tag)
    parts.append("<h2>Schemas</h2>\n")
    parts.extend(_schema(name, schema, components) for name, schema in sorted(components.items()))
    parts.append(f"<script>{_SCRIPT}</script>\n</body>\n</html>\n")
    return "".join(parts).encode()


def _message(path: str, post: dict[str, Any], components: dict[str, Schema]) -> str:
    content = post["requestBody"]["content"]["application/json"]
    schema = resolved(content["schema"], components)
    example = content.get("example", sketch(schema, components))
    is_query = "queries" in post["tags"]
    return (
        f'<details class="message" id="{escape(post["operationId"])}">\n'
        f"<summary><h3>{escape(post['summary'])}</h3> <code>POST {escape(path)}</code></summary>\n"
        f"{_description(post)}{_fields(schema, components)}"
        f"{_answer(post, components)}<pre>{escape(_curl(path, example, is_query=is_query))}</pre>\n"
        f"{_form(path, example, is_query=is_query)}</details>\n"
    )


def _schema(name: str, schema: Schema, components: dict[str, Schema]) -> str:
    shown = _fields(schema, components) if schema.get("type") == "object" else f"<p>{_type(schema)}</p>\n"
    return (
        f'<details class="message" id="schema-{escape(name)}">\n<summary><h3>{escape(name)}</h3></summary>\n'
        f"{_description(schema)}{shown}</details>\n"
    )


def _description(about: dict[str, Any]) -> str:
    text = about.get("description", "")
    return f'<p class="description">{escape(text)}</p>\n' if text else ""


def _fields(schema: Schema, components: dict[str, Schema]) -> str:
    properties = schema.get("properties", {})
    if not properties:
        return '<p class="note">It has no fields.</p>\n'
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_type(field)}</td>"
        f"<td>{_presence(name, field, schema)}</td>"
        f"<td>{escape(', '.join(_constraints(field)))}</td><td>{escape(field.get('description', ''))}</td></tr>\n"
        for name, field in properties.items()
    )
    return f"<table>\n<tr><th>field</th><th>type</th><th></th><th>constraints</th><th></th></tr>\n{rows}</table>\n"


def _presence(name: str, field: Schema, schema: Schema) -> str:
    if name in schema.get("required", ()):
        return "required"
    return f"default <code>{escape(_json(field['default']))}</code>" if "default" in field else "optional"


def _type(schema: Schema) -> str:
    """Return a schema's type in a few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(_json(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "any value")
    if kind == "array":
        items = schema.get("items")
        return f"list of {_type(items)}" if isinstance(items, dict) else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    form = schema.get("format") or schema.get("contentEncoding")
    return escape(f"{kind} ({form})" if form else str(kind))


_WORDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
    "minLength": "length ≥ {}",
    "maxLength": "length ≤ {}",
    "pattern": "matches {}",
    "minItems": "items ≥ {}",
    "maxItems": "items ≤ {}",
    "minProperties": "members ≥ {}",
    "maxProperties": "members ≤ {}",
}


def _constraints(schema: Schema) -> Iterable[str]:
    for part in (schema, *schema.get("anyOf", ())):
        for name, words in _WORDS.items():
            if name in part:
                yield words.format(part[name])


def _answer(post: dict[str, Any], components: dict[str, Schema]) -> str:
    answer = post["responses"]["200"]
    shown = _type(answer["content"]["application/json"]["schema"])
    more = "".join(f", header <code>{escape(name)}</code>" for name in answer.get("headers", ()))
    return f"<p>Answer: {shown}{more}</p>\n"


def _curl(path: str, example: Any, *, is_query: bool) -> str:
    flat = isinstance(example, dict) and all(isinstance(value, str | int | float) for value in example.values())
    if is_query and flat:
        texts = {name: value if isinstance(value, str) else _json(value) for name, value in example.items()}
        return f'curl "$URL{path}?{urlencode(texts)}"'
    lines = [f'curl "$URL{path}"', '-H "Content-Type: application/json"', f"-d {shlex.quote(_json(example))}"]
    return " \\\n  ".join(lines)


def _form(path: str, example: Any, *, is_query: bool) -> str:
    header = headers.AFTER if is_query else headers.IDEMPOTENCY_KEY
    text = escape(_json(example, indent=2))
    rows = min(20, text.count("\n") + 2)
    return (
        f'<form data-path="{escape(path.lstrip("/"))}">\n'
        f'<label>JSON body<textarea name="body" rows="{rows}" spellcheck="false">{text}</textarea></label>\n'
        f'<label><code>{header}</code> <input data-header="{header}" autocomplete="off"></label>\n'
        "<button>Send</button>\n<output></output>\n</form>\n"
    )


def _json(value: Any, indent: int = 0) -> str:
    text = msgspec.json.encode(value)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()
