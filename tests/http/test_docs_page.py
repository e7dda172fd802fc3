"""/docs: a page for people that is whole in itself, and shows whatever is declared as text."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.http.client import Client
from tests.http.tickets import app
from twofold.http.openapi import Document
from twofold.http.page import page
from twofold.wire import name_of

pytestmark = pytest.mark.anyio

VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Gathers a page's elements, and checks that each is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def text() -> str:
    return page(Document(app, "1").content()).decode()


async def test_the_page_is_served_with_a_policy_that_lets_nothing_else_in(client: Client) -> None:
    answer = await client.http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"


def test_the_page_loads_nothing(text: str) -> None:
    found = Page(text)
    assert not [tag for tag, _ in found.elements if tag in ("img", "iframe", "object", "embed", "base")]
    assert [attributes["href"] for attributes in found.all("link")] == ["data:,"]
    assert found.all("script") == [{}]
    assert not [attributes for _, attributes in found.elements if "src" in attributes or "style" in attributes]
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "://" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_the_page_tells_of_every_message(text: str) -> None:
    found = Page(text)
    names = [name_of(message) for message in (*app.commands, *app.queries)]
    assert len([attributes for attributes in found.all("form") if attributes["data-path"]]) == len(names)
    for name in names:
        assert name in found.text
    for words in (
        "length ≤ 80",
        "string (date-time)",
        "what it is <about>",
        "≥ 1",
        "one of",
        "required",
        'default "bug"',
    ):
        assert words in found.text


def test_whatever_is_declared_is_shown_as_text(text: str) -> None:
    found = Page(text)
    assert "tickets <&>" in found.text
    assert 'It takes <b>markup</b> & "quotes" as they are.' in found.text
    assert not found.all("b")


def test_links_within_the_page_have_their_targets(text: str) -> None:
    found = Page(text)
    ids = {attributes.get("id") for _, attributes in found.elements}
    for attributes in found.all("a"):
        target = attributes["href"] or ""
        assert not target.startswith("#") or target[1:] in ids


def test_hostile_words_anywhere_in_a_document_stay_words() -> None:
    hostile = "\"'><script>alert(1)&lt;{}"
    schema: dict[str, Any] = {
        "type": "object",
        "description": hostile,
        "required": [hostile],
        "properties": {
            hostile: {"type": "string", "pattern": hostile, "description": hostile, "format": hostile},
            "a": {"enum": [hostile], "default": hostile},
            "b": {
                "anyOf": [{"$ref": f"#/components/schemas/{hostile}"}, {"type": "array", "items": {"type": hostile}}]
            },
        },
    }
    operation = {
        "tags": ["queries"],
        "operationId": hostile,
        "summary": hostile,
        "description": hostile,
        "requestBody": {"content": {"application/json": {"schema": schema, "example": {hostile: hostile}}}},
        "responses": {"200": {"headers": {hostile: {}}, "content": {"application/json": {"schema": schema}}}},
    }
    document: dict[str, Any] = {
        "info": {"title": hostile},
        "tags": [{"name": "queries", "description": hostile}],
        "paths": {f"/queries/{hostile}": {"post": operation}},
        "components": {"schemas": {hostile: schema}},
    }
    found = Page(page(document).decode())
    assert found.all("script") == [{}]
    assert {tag for tag, _ in found.elements} <= {
        "html", "head", "meta", "title", "link", "style", "body", "h1", "h2", "h3", "p", "a", "code", "pre", "details",
        "summary", "table", "tr", "th", "td", "form", "label", "textarea", "input", "button", "output", "script",
    }  # fmt: skip
    assert found.all("form")[0]["data-path"] == f"queries/{hostile}"
