"""Whatever comes over HTTP that is no valid command: a clear refusal, nothing stored, nothing hangs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.http.client import JSON, Client, problem, served
from twofold.http.headers import LONGEST_KEY

pytestmark = pytest.mark.anyio

ID = "0198c0de-0000-7000-8000-000000000001"
PATH = "/commands/OpenTicket"


@pytest.fixture
async def client(client: Client) -> AsyncIterator[Client]:
    """Check after each test that nothing was stored: neither an event nor the command's id."""
    key = {"Idempotency-Key": "the-one-key-of-these-tests"}
    client.http.headers.update(key)
    yield client
    assert await client.head() == 0
    # A refused command leaves no claim on its id.
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "good"}, key)
    assert (answer.status_code, answer.json()["position"], answer.json()["repeated"]) == (200, 1, False)


@pytest.mark.parametrize("path", ["/commands/OpenTickets", "/commands/openticket", "/commands/GetTicket"])
async def test_an_unknown_command_is_told_with_the_known_ones(client: Client, path: str) -> None:
    answer = await client.raw(path, b"{}")
    told = problem(answer)
    assert (answer.status_code, told["code"], told["kind"]) == (404, "unknown_message", "command")
    assert "OpenTicket" in told["detail"]


async def test_an_unknown_query_is_told_with_the_known_ones(client: Client) -> None:
    for answer in (await client.http.get("/queries/Get"), await client.ask("OpenTicket", {})):
        told = problem(answer)
        assert (answer.status_code, told["code"], told["kind"]) == (404, "unknown_message", "query")
        assert "GetTicket" in told["detail"]


@pytest.mark.parametrize("path", ["/nothing", "/commands", "/commands/", "/queries/", "/docs/", "/docs/more"])
async def test_a_path_with_nothing_at_it_is_told(client: Client, path: str) -> None:
    answer = await client.http.get(path)
    assert (answer.status_code, problem(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PATH, "POST"),
        ("PUT", PATH, "POST"),
        ("DELETE", PATH, "POST"),
        ("OPTIONS", PATH, "POST"),
        ("PUT", "/queries/CountTickets", "GET, HEAD, POST"),
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
    ],
)
async def test_another_method_is_refused_with_the_ones_allowed(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = await client.http.request(method, path)
    assert (answer.status_code, problem(answer)["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


GOOD: dict[str, Any] = {"ticket_id": ID, "title": "t"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": "t"}, "ticket_id"),
        ({"ticket_id": ID}, "title"),
        ({**GOOD, "colour": "red"}, "colour"),
        ({**GOOD, "ticket_id": "1"}, "ticket_id"),
        ({**GOOD, "ticket_id": None}, "ticket_id"),
        ({**GOOD, "title": 5}, "title"),
        ({**GOOD, "title": ""}, "title"),
        ({**GOOD, "title": "x" * 81}, "title"),
        ({**GOOD, "priority": 0}, "priority"),
        ({**GOOD, "priority": 6}, "priority"),
        ({**GOOD, "priority": "3"}, "priority"),
        ({**GOOD, "priority": 1.5}, "priority"),
        ({**GOOD, "priority": True}, "priority"),
        ({**GOOD, "kind": "riddle"}, "kind"),
        ({**GOOD, "labels": "one"}, "labels"),
        ({**GOOD, "labels": ["one", 2]}, "labels[1]"),
        ({**GOOD, "labels": ["x"] * 11}, "labels"),
        ({**GOOD, "due": "tomorrow"}, "due"),
        ({**GOOD, "reporter": {}}, "reporter.name"),
        ({**GOOD, "reporter": {"name": "Ada", "phone": "none"}}, "reporter.phone"),
        ({**GOOD, "title": "a\x00b"}, "title"),
        ({**GOOD, "extra": {"deep": ["a\x00b"]}}, "extra.deep[0]"),
        ({**GOOD, "number": 2**63}, "number"),
        ({**GOOD, "number": -(2**63) - 1}, "number"),
        ({**GOOD, "extra": [2**64 - 1]}, "extra[0]"),
        ([], ""),
        ("text", ""),
        (None, ""),
        (7, ""),
    ],
)
async def test_a_field_that_is_wrong_is_named(client: Client, fields: Any, field: str) -> None:
    answer = await client.send("OpenTicket", fields)
    told = problem(answer)
    assert (answer.status_code, told["code"], told["message"]) == (422, "invalid_message", "OpenTicket")
    assert told["field"] == field
    assert field.rpartition(".")[2] in told["detail"]


async def test_an_integer_of_many_digits_is_refused(client: Client) -> None:
    for digits in (b"18446744073709551616", b"9" * 100, b"9" * 100_000):
        answer = await client.raw(PATH, b'{"ticket_id":"%s","title":"t","number":%s}' % (ID.encode(), digits))
        assert (answer.status_code, problem(answer)["code"]) == (422, "invalid_message")


async def test_a_tag_that_is_empty_is_named_by_its_field(client: Client) -> None:
    answer = await client.send("NameTicket", {"name": ""})
    told = problem(answer)
    assert (answer.status_code, told["code"], told["field"]) == (422, "invalid_message", "name")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"ticket_id":"%s","title":"t"} and more' % ID.encode(),
        b"{'ticket_id': 1}",
        b'{"ticket_id":"%s","title":"t","weight":NaN}' % ID.encode(),
        b'{"ticket_id":"%s","title":"t","weight":Infinity}' % ID.encode(),
        b'{"ticket_id":"%s","title":"\\ud800"}' % ID.encode(),
        b'{"ticket_id":"%s","title":"\\udc00 "}' % ID.encode(),
        b'{"ticket_id":"%s","title":"\xff"}' % ID.encode(),
        b'{"ticket_id":"%s","title":"\xed\xa0\x80"}' % ID.encode(),
        '{"title":"t"}'.encode("utf-16"),
        b"\x00",
    ],
)
async def test_a_body_that_is_no_json_is_refused(client: Client, body: bytes) -> None:
    answer = await client.raw(PATH, body)
    assert (answer.status_code, problem(answer)["code"]) == (400, "not_json")


@pytest.mark.parametrize("number", [b"1e400", b"-1e400"])
async def test_a_number_beyond_what_a_float_holds_is_refused(client: Client, number: bytes) -> None:
    answer = await client.raw(PATH, b'{"ticket_id":"%s","title":"t","weight":%s}' % (ID.encode(), number))
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("levels", [101, 1_000, 100_000])
async def test_a_body_that_is_nested_too_deeply_is_refused_before_it_is_parsed(
    client: Client, opening: bytes, levels: int
) -> None:
    body = b'{"ticket_id":"%s","title":"t","extra":%s' % (ID.encode(), opening * levels)
    answer = await client.raw(PATH, body)
    told = problem(answer)
    assert (answer.status_code, told["code"], told["limit"]) == (400, "too_deep", 100)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(client: Client, declared: bool) -> None:
    body = b'{"ticket_id":"%s","title":"%s"}' % (ID.encode(), b"x" * 1024 * 1024)

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    answer = await client.http.post(PATH, content=body if declared else parts(), headers=JSON)
    told = problem(answer)
    assert (answer.status_code, told["code"], told["limit"]) == (413, "too_large", 1024 * 1024)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/plain; application/json"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_that_is_not_sent_as_json_is_refused(client: Client, headers: dict[str, str]) -> None:
    answer = await client.raw(PATH, b'{"ticket_id":"%s","title":"t"}' % ID.encode(), headers)
    assert (answer.status_code, problem(answer)["code"]) == (415, "wrong_content_type")


@pytest.mark.parametrize("key", ["", '""', "a b", "é", "x" * (LONGEST_KEY + 1), "tab\tkey"])
async def test_a_key_that_is_none_is_refused(client: Client, key: str) -> None:
    answer = await client.http.post(
        PATH, json=GOOD, headers=[(b"Idempotency-Key", key.encode("latin-1")), (b"Content-Type", b"application/json")]
    )
    told = problem(answer)
    assert (answer.status_code, told["code"], told["header"]) == (400, "invalid_header", "Idempotency-Key")


async def test_a_client_that_goes_away_before_its_body_has_come_is_not_answered(client: Client) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"ticket_id":"%s",' % ID.encode(), "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert await answered_to(client, parts) == []


async def answered_to(client: Client, parts: list[dict[str, Any]]) -> list[Any]:
    """Send the parts of a body straight through ASGI; after the last of them nothing comes any more."""
    sent: list[Any] = []
    service = client.http._transport.app  # type: ignore[attr-defined]
    coming = iter(parts)

    async def receive() -> dict[str, Any]:
        part = next(coming, None)
        if part is None:
            await asyncio.Event().wait()
        assert part is not None
        return part

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    async with asyncio.timeout(30):
        await service(scope, receive, send)
    return sent


async def test_a_body_that_comes_in_one_piece_of_unknown_size_is_refused_too(client: Client) -> None:
    sent = await answered_to(client, [{"type": "http.request", "body": b" " * 2_000_000}])
    assert sent[0]["status"] == 413


async def test_a_body_that_never_ends_is_kept_only_up_to_the_limit(url: str) -> None:
    async with served(url, max_body=10_000) as client:
        taken = 0

        class Endless(list[Any]):
            def __iter__(self) -> Any:
                nonlocal taken
                while True:
                    taken += 1000
                    yield {"type": "http.request", "body": b" " * 1000, "more_body": True}

        sent = await answered_to(client, Endless())
        assert sent[0]["status"] == 413
        assert taken == 11_000
        assert await client.head() == 0


@pytest.mark.parametrize("parts", [[], [{"type": "http.request", "body": b"{", "more_body": True}]])
async def test_a_body_that_does_not_come_is_not_waited_for_forever(url: str, parts: list[dict[str, Any]]) -> None:
    async with served(url, body_timeout=0.05) as client:
        sent = await answered_to(client, parts)
        assert sent[0]["status"] == 408
        assert await client.head() == 0
