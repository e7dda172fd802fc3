"""/openapi.json: a valid OpenAPI 3.1 document that tells the truth about every route."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from examples.profiles.app import app as profiles

from tests.http.client import JSON, Client, served
from tests.http.tickets import app
from twofold import App
from twofold.http.openapi import Document
from twofold.http.service import Service

pytestmark = pytest.mark.anyio

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
TYPES = {"null", "boolean", "object", "array", "number", "string", "integer"}


def document_of(application: App) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(Document(application, "1.2").content("/here")))
    return content


@pytest.fixture(params=[app, profiles, App("empty")], ids=lambda application: application.name)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return document_of(request.param)


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from parts(part)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def follow(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    found: Any = document
    for name in reference[2:].split("/"):
        found = found[name]
    return found


def check_schema(schema: Any) -> None:
    assert isinstance(schema, dict | bool)
    if isinstance(schema, bool):
        return
    assert schema.get("type", "null") in TYPES
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        assert isinstance(schema.get(name, 0), int | float)
    for name in ("minLength", "maxLength", "minItems", "maxItems"):
        assert isinstance(schema.get(name, 0), int)
    re.compile(schema.get("pattern", ""))
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("prefixItems", ())):
        check_schema(part)
    for name in ("items", "additionalProperties"):
        check_schema(schema.get(name, True))
    assert set(schema.get("required", ())) <= set(schema.get("properties", {}))


def test_the_document_has_what_openapi_asks_for(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert set(document["info"]) >= {"title", "version"}
    assert document["info"]["version"] == "1.2"
    assert document["servers"] == [{"url": "/here"}]
    assert set(document["components"]) <= {"schemas", "parameters", "headers", "responses"}
    for kind in document["components"].values():
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in kind)
    for schema in document["components"]["schemas"].values():
        check_schema(schema)


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    for part in parts(document):
        if isinstance(part.get("$ref"), str):
            assert isinstance(follow(document, part["$ref"]), dict)


def test_every_operation_has_what_openapi_asks_for(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    ids: list[str] = []
    for path, method, operation in operations(document):
        assert method in METHODS
        assert path.startswith("/")
        assert not re.search(r"[{}?#]", path), "a name must not be read as a template"
        assert set(operation["tags"]) <= tags
        ids.append(operation["operationId"])
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch("[1-5][0-9][0-9]", status)
            found = follow(document, response["$ref"]) if "$ref" in response else response
            assert found["description"]
            assert ("content" in found) == (status != "304")
            for content in found.get("content", {}).values():
                check_schema(content["schema"])
        for parameter in operation.get("parameters", ()):
            found = follow(document, parameter["$ref"]) if "$ref" in parameter else parameter
            assert found["name"]
            assert found["in"] in ("query", "header")
            assert ("schema" in found) != ("content" in found)
            check_schema(found["schema"] if "schema" in found else found["content"]["application/json"]["schema"])
        if method == "post":
            assert operation["requestBody"]["content"]["application/json"]["schema"]
    assert len(set(ids)) == len(ids)


def test_every_message_is_described_with_its_words_and_constraints() -> None:
    document = document_of(app)
    command = document["paths"]["/commands/OpenTicket"]["post"]
    assert command["description"] == 'Open a ticket.\n\nIt takes <b>markup</b> & "quotes" as they are.'
    schema = follow(document, command["requestBody"]["content"]["application/json"]["schema"]["$ref"])
    assert schema["required"] == ["ticket_id", "title"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["title"] == {
        "type": "string", "minLength": 1, "maxLength": 80, "description": "what it is <about>",
    }  # fmt: skip
    assert schema["properties"]["priority"] == {"type": "integer", "minimum": 1, "maximum": 5, "default": 3}
    assert schema["properties"]["labels"]["maxItems"] == 10
    assert "Idempotency-Key" in str(command["parameters"])
    assert "Twofold-After" in command["responses"]["200"]["headers"]
    query = document["paths"]["/queries/FindTickets"]["get"]
    assert [parameter.get("name") for parameter in query["parameters"][:4]] == [
        "priority",
        "order_by",
        "limit",
        "after",
    ]
    assert query["parameters"][0]["schema"] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert query["responses"]["200"]["content"]["application/json"]["schema"] == {
        "type": "array", "items": {"$ref": "#/components/schemas/Ticket"},
    }  # fmt: skip
    assert "Twofold-Next" in query["responses"]["200"]["headers"]
    answer = document["paths"]["/queries/GetTicket"]["get"]["responses"]["200"]
    assert set(answer["headers"]) == {"ETag", "Twofold-Position"}


def test_every_command_and_query_has_its_operations() -> None:
    paths = {unquote(path) for path in document_of(app)["paths"]}
    for command in app.commands:
        assert f"/commands/{command.message_name}" in paths
    for query in app.queries:
        assert f"/queries/{query.message_name}" in paths


async def test_every_operation_answers_with_a_status_that_it_declares(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for body in (msgspec.json.encode(content.get("example")), b"{}", b"[]", b"nothing"):
            answer = await client.http.request(method, path, content=body, headers=JSON)
            assert str(answer.status_code) in operation["responses"], f"{method} {path}: {answer.text}"


async def test_every_example_is_taken(client: Client) -> None:
    """All but the handlers that fail by design are content with the example of their message."""
    document = (await client.http.get("/openapi.json")).json()
    for path, method, operation in operations(document):
        if method == "post":
            example = operation["requestBody"]["content"]["application/json"]["example"]
            answer = await client.raw(path, msgspec.json.encode(example))
            assert answer.status_code in (200, 409, 500, 503), f"{path}: {answer.text}"


async def test_what_the_service_tells_of_its_version_is_the_hosts_choice() -> None:
    async with served("memory:", version="2026-11") as client:
        assert (await client.http.get("/openapi.json")).json()["info"] == {
            "title": "tickets <&>",
            "version": "2026-11",
        }
    assert isinstance(client.http._transport.app, Service)  # type: ignore[attr-defined]
