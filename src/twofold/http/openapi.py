"""The OpenAPI 3.1 document of an application, made from its declarations."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec

from twofold import wire
from twofold.app import App
from twofold.context import Receipt
from twofold.http import headers, streams
from twofold.http.fields import forms_of
from twofold.http.problem import ERRORS, MEDIA_TYPE, REFUSALS, Problem
from twofold.http.schema import Schema, example_of, resolved, schema_of, schemas_of
from twofold.message import Command, Query
from twofold.model import members_of
from twofold.read.view import Found

COMMAND_STATUSES = (400, 408, 409, 412, 413, 415, 422, 500, 503, 507)
READ_STATUSES = (400, 409, 414, 422, 500, 503)
QUERY_STATUSES = (400, 408, 409, 413, 415, 422, 500, 503)
_JSON = "application/json"


class Document:
    """Makes the document.

    Args:
        app: what is described.
        version: of the application, as the document gives it.
    """

    def __init__(self, app: App, version: str) -> None:
        self._app = app
        self._version = version
        self._commands = sorted(app.commands, key=wire.name_of)
        self._queries = sorted(app.queries, key=wire.name_of)
        kinds: list[Any] = [*self._commands, *self._queries, *(app.queries[query].answer for query in self._queries)]
        schemas, self._components = schemas_of([*kinds, Receipt, Problem])
        self._schemas: Mapping[Any, Schema] = dict(zip([*self._commands, *self._queries], schemas, strict=False))
        self._answers = dict(zip(self._queries, schemas[-2 - len(self._queries) : -2], strict=True))
        self._receipt, self._problem = schemas[-2:]

    def content(self, root: str = "") -> dict[str, Any]:
        """Return the document of the application as it is served under a prefix."""
        return {
            "openapi": "3.1.0",
            "info": {"title": self._app.name, "version": self._version},
            "servers": [{"url": root or "/"}],
            "tags": [
                {"name": "commands", "description": "Intentions to change something."},
                {"name": "queries", "description": "Questions to the read models."},
                {"name": "health", "description": "For supervisors and load balancers."},
            ],
            "paths": {**self._command_paths(), **self._query_paths(), **_health_paths()},
            "components": {
                "schemas": self._components,
                "parameters": _PARAMETERS,
                "headers": _HEADERS,
                "responses": {f"Problem{status}": self._problem_response(status) for status in _all_statuses()},
            },
        }

    def _command_paths(self) -> dict[str, Any]:
        return {path("commands", command): {"post": self._command(command)} for command in self._commands}

    def _query_paths(self) -> dict[str, Any]:
        return {path("queries", query): {"get": self._get(query), "post": self._post(query)} for query in self._queries}

    def _command(self, command: type[Command]) -> dict[str, Any]:
        receipt = {
            "description": "The command is accepted and durable; or, with `Prefer: preview`, what would follow it.",
            "headers": {name: _header(name) for name in (headers.AFTER, headers.APPLIED)},
            "content": {_JSON: {"schema": {"oneOf": [self._receipt, _PREVIEW]}}},
        }
        return {
            **_about("commands", "send", command),
            "parameters": [_parameter(name) for name in _OF_COMMANDS],
            "requestBody": self._body(command),
            "responses": {"200": receipt, **_problems(COMMAND_STATUSES)},
        }

    def _get(self, query: type[Query[Any]]) -> dict[str, Any]:
        return {
            **_about("queries", "ask", query),
            "parameters": [
                *self._fields(query),
                *(_parameter(name) for name in (*_OF_QUERIES, headers.IF_NONE_MATCH)),
            ],
            "responses": {
                "200": self._answer(query, headers.ETAG),
                "304": {"description": "The answer is the one that the client has."},
                **_problems(READ_STATUSES),
            },
        }

    def _post(self, query: type[Query[Any]]) -> dict[str, Any]:
        return {
            **_about("queries", "ask_with_body", query),
            "parameters": [_parameter(name) for name in _OF_QUERIES],
            "requestBody": self._body(query),
            "responses": {"200": self._answer(query), **_problems(QUERY_STATUSES)},
        }

    def _body(self, message: type[Command] | type[Query[Any]]) -> dict[str, Any]:
        schema = self._schemas[message]
        content: dict[str, Any] = {"schema": schema}
        example = example_of(message, schema, self._components)
        if example is not None:
            content["example"] = example
        return {"required": True, "content": {_JSON: content}}

    def _fields(self, query: type[Query[Any]]) -> Iterable[dict[str, Any]]:
        forms = forms_of(schema_of(query))
        schema = resolved(self._schemas[query], self._components)
        for name, field in schema["properties"].items():
            parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in schema["required"]}
            if "description" in field:
                parameter["description"] = field["description"]
            written = _as_text(field)
            if forms[name] == "json":
                yield {**parameter, "content": {_JSON: {"schema": written}}}
            else:
                yield {**parameter, "schema": written}

    def _answer(self, query: type[Query[Any]], *more: str) -> dict[str, Any]:
        content = {_JSON: {"schema": self._answers[query]}, streams.MEDIA_TYPE: {"schema": _STREAM}}
        answer: dict[str, Any] = {
            "description": "The answer; as an event stream, the answer and then each one that differs from it.",
            "content": content,
        }
        names = list(more)
        if self._app.queries[query].views:
            names.append(headers.POSITION)
        if any(getattr(part, "__origin__", part) is Found for part in members_of(self._app.queries[query].answer)):
            names.append(headers.NEXT)
        if names:
            answer["headers"] = {name: _header(name) for name in names}
        return answer

    def _problem_response(self, status: int) -> dict[str, Any]:
        codes = sorted(codes_of(status))
        return {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
            **({"headers": {"Retry-After": _header("Retry-After")}} if status == 503 else {}),
            "content": {MEDIA_TYPE: {"schema": self._problem}},
        }


def path(kind: str, message: type[msgspec.Struct]) -> str:
    """Return the path of a command or query, percent-encoded."""
    return f"/{kind}/{quote(wire.name_of(message), safe='')}"


def codes_of(status: int) -> list[str]:
    """Return the codes of the problems that are told with a status."""
    from_errors = [error.code for error, rule in ERRORS.items() if rule.status == status]
    known = {"rejected": "the handler's own code", "twofold_error": "internal"}
    return [known.get(code, code) for code in from_errors] + [
        code for code, rule in REFUSALS.items() if rule.status == status
    ]


def _as_text(field: Schema) -> Schema:
    """Return the schema of a field in an address, where nothing can be written for `null`."""
    parts = [part for part in field.get("anyOf", ()) if part.get("type") != "null"]
    if len(parts) == len(field.get("anyOf", ())):
        return field
    rest = {name: value for name, value in field.items() if name != "anyOf" and (name, value) != ("default", None)}
    return {**rest, **parts[0]} if len(parts) == 1 else {**rest, "anyOf": parts}


def _all_statuses() -> list[int]:
    return sorted({*COMMAND_STATUSES, *READ_STATUSES, *QUERY_STATUSES})


def _problems(statuses: Iterable[int]) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses}


def _about(tag: str, verb: str, message: type[msgspec.Struct]) -> dict[str, Any]:
    name = wire.name_of(message)
    about: dict[str, Any] = {"tags": [tag], "operationId": f"{verb}_{name}", "summary": name}
    if message.__doc__:
        about["description"] = inspect.cleandoc(message.__doc__)
    return about


def _health_paths() -> dict[str, Any]:
    answer = {"description": "Yes.", "content": {_JSON: {"schema": {"type": "object"}}}}
    return {
        "/health/live": {
            "get": {
                "tags": ["health"],
                "operationId": "health_live",
                "summary": "Does the process run?",
                "responses": {"200": answer},
            }
        },
        "/health/ready": {
            "get": {
                "tags": ["health"],
                "operationId": "health_ready",
                "summary": "Can commands and queries be answered?",
                "responses": {"200": answer, **_problems((500, 503))},
            }
        },
    }


def _parameter(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/parameters/{name}"}


def _header(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/headers/{name}"}


_OF_QUERIES = (headers.AFTER, headers.MAX_LAG, headers.AS_OF, headers.TIMEOUT, headers.LAST_EVENT_ID)
_OF_COMMANDS = (headers.IDEMPOTENCY_KEY, headers.IF_MATCH, "Deadline", headers.PREFER)
_STREAM: Schema = {
    "type": "string",
    "description": "Events as of HTML's server-sent events, with the answer as JSON in `data`; `error` is a problem.",
}
_PREVIEW: Schema = {
    "title": "Preview",
    "type": "object",
    "required": ["position", "events"],
    "properties": {
        "position": {"type": "integer", "description": "The position that it was decided on."},
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "version", "tags", "payload"],
                "properties": {
                    "type": {"type": "string"},
                    "version": {"type": "integer"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "payload": {"type": "object"},
                },
            },
        },
    },
}
_PARAMETERS: dict[str, Any] = {
    headers.IDEMPOTENCY_KEY: {
        "name": headers.IDEMPOTENCY_KEY,
        "in": "header",
        "description": "Makes a repeat have one effect: a UUID is the command's id, any other text stands for one.",
        "schema": {"type": "string", "minLength": 1, "maxLength": headers.LONGEST_KEY, "pattern": "^[!-~]+$"},
    },
    headers.IF_MATCH: {
        "name": headers.IF_MATCH,
        "in": "header",
        "description": "Decides the command only if nothing that it rests on has changed since this position, such as "
        "the `Twofold-Position` of an answer, in double quotes.",
        "schema": {"type": "string", "pattern": '^"?[0-9]{1,19}"?$'},
    },
    headers.PREFER: {
        "name": headers.PREFER,
        "in": "header",
        "description": "`preview` answers with the events that would follow, or the problem, and stores nothing; "
        "`preview; as-of=42` decides as if the history ended at that position.",
        "schema": {"type": "string"},
    },
    "Deadline": {
        "name": headers.TIMEOUT,
        "in": "header",
        "description": "Within how many seconds the command must be decided; it is given up then.",
        "schema": {"type": "number", "minimum": 0, "maximum": headers.LONGEST_TIMEOUT},
    },
    headers.AFTER: {
        "name": headers.AFTER,
        "in": "header",
        "description": "The answer rests on everything up to this position, such as that of a receipt.",
        "schema": {"type": "integer", "minimum": 0, "maximum": headers.LARGEST_POSITION},
    },
    headers.MAX_LAG: {
        "name": headers.MAX_LAG,
        "in": "header",
        "description": "The answer rests on everything that was appended more than so many seconds ago.",
        "schema": {"type": "number", "minimum": 0, "maximum": headers.LONGEST_LAG},
    },
    headers.AS_OF: {
        "name": headers.AS_OF,
        "in": "header",
        "description": "The answer as it was when the history ended at this position, or at this time (RFC 3339).",
        "schema": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]},
    },
    headers.IF_NONE_MATCH: {
        "name": headers.IF_NONE_MATCH,
        "in": "header",
        "description": "The `ETag` of an answer that the client has: it is not sent again.",
        "schema": {"type": "string"},
    },
    headers.LAST_EVENT_ID: {
        "name": headers.LAST_EVENT_ID,
        "in": "header",
        "description": "The `id` of the last event of a stream that broke off: goes on behind it.",
        "schema": {"type": "string"},
    },
    headers.TIMEOUT: {
        "name": headers.TIMEOUT,
        "in": "header",
        "description": "For how many seconds to wait until the answer is as fresh as is asked for.",
        "schema": {
            "type": "number",
            "minimum": 0,
            "maximum": headers.LONGEST_TIMEOUT,
            "default": headers.DEFAULT_TIMEOUT,
        },
    },
}
_HEADERS: dict[str, Any] = {
    headers.APPLIED: {
        "description": "`preview` where the command was not sent, but only its outcome was wanted.",
        "schema": {"type": "string"},
    },
    headers.POSITION: {
        "description": "The position up to which the answer shows everything; send it with a command as `If-Match`.",
        "schema": {"type": "integer", "minimum": 0},
    },
    headers.ETAG: {
        "description": "What the answer is told by; send it with the same query as `If-None-Match`.",
        "schema": {"type": "string"},
    },
    headers.AFTER: {
        "description": "The position that the command's events reached.",
        "schema": {"type": "integer", "minimum": 0},
    },
    headers.NEXT: {
        "description": "The cursor of the page that follows; absent after the last row.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "After how many seconds to try again.", "schema": {"type": "integer"}},
}
