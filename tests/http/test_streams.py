"""`Accept: text/event-stream`: a query's answer, each change of it, and everything that ends a stream."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import msgspec
import pytest

from tests.faults.virtual import run_virtually
from tests.http.client import JSON, Client, problem, served
from tests.http.listening import listening
from tests.http.test_server import running
from tests.http.tickets import CountTickets, OpenTicket, app
from twofold.http import asgi, streams
from twofold.http.headers import last_event, wants
from twofold.http.service import Service
from twofold.read.asking import Demand

pytestmark = pytest.mark.anyio

COUNT = "/queries/CountTickets"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
async def service(url: str) -> AsyncIterator[Service]:
    service = asgi(app, url, max_watchers=3)
    async with service.lifespan():
        yield service


async def open_ticket(service: Service, title: str = "a title") -> int:
    node = await service.node()
    return (await node.send(OpenTicket(uuid4(), title))).position


async def test_the_answer_comes_and_then_each_change_of_it(service: Service) -> None:
    async with listening(service, COUNT) as client:
        assert (client.status, client.headers["content-type"]) == (200, "text/event-stream")
        assert client.headers["cache-control"] == "no-store"
        for number in range(5):
            event = await client.next()
            assert (event.type, event.data) == ("message", number)
            assert int(event.id.partition("-")[0]) >= number
            await open_ticket(service)


async def test_a_query_with_fields_is_watched_by_get_and_by_post(service: Service) -> None:
    ticket_id = uuid4()
    await (await service.node()).send(OpenTicket(ticket_id, "a title"))
    path, after = "/queries/GetTicket", {"Twofold-After": "1"}
    body = msgspec.json.encode({"ticket_id": ticket_id})
    async with (
        listening(service, f"{path}?ticket_id={ticket_id}", after) as one,
        listening(service, path, {**after, **JSON}, body) as other,
    ):
        seen = await one.next()
        assert seen == await other.next()
        assert seen.data["ticket_id"] == str(ticket_id)
        assert one.heard == other.heard
        assert one.heard.startswith(b"retry: 1000\n\nid: 1-")


async def test_a_stream_goes_on_behind_what_was_seen(service: Service) -> None:
    async with listening(service, COUNT) as client:
        seen = await client.next()
    async with listening(service, COUNT, {"Last-Event-ID": seen.id}) as client:
        await open_ticket(service)
        assert (await client.next()).data == 1
    async with listening(service, COUNT, {"Last-Event-ID": seen.id}) as client:
        # It changed while nobody listened.
        assert (await client.next()).data == 1


async def test_a_stream_that_goes_on_elsewhere_shows_nothing_older(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data"
    async with served(url, roles=["write", "project", "read", "http"]) as one:
        service = asgi(app, url, roles=["read", "http"])
        async with service.lifespan():
            await one.open_ticket()
            async with listening(service, COUNT, {"Twofold-After": "1"}) as client:
                seen = await client.next()
                assert (seen.data, seen.id.partition("-")[0]) == (1, "1")
            ahead = seen.id.replace("1-", "9-", 1)
            answer = await one.http.get(COUNT, headers={**STREAM, "Last-Event-ID": ahead, "Twofold-Timeout": "0.01"})
            assert (answer.status_code, problem(answer)["wanted"]) == (503, 9)


@pytest.mark.parametrize(
    "text", ["", "7", "x-y", "1-0123", "٣-" + "a" * 24, "9" * 19 + "-" + "a" * 24, "1-" + "A" * 24]
)
async def test_an_id_that_was_given_out_elsewhere_is_none(service: Service, text: str) -> None:
    assert last_event([(b"last-event-id", text.encode())]) == (0, None)


async def test_a_slow_client_is_sent_the_newest(service: Service) -> None:
    async with listening(service, COUNT) as client:
        assert (await client.next()).data == 0
        client.ears.clear()
        node = await service.node()
        async with asyncio.timeout(30), await node.watcher(CountTickets(), Demand()) as other:
            positions = [await open_ticket(service) for _ in range(30)]
            await node.ask(CountTickets(), after=positions[-1])
            while (sighting := await other.next()) is not None and sighting.value < 30:
                pass
        client.ears.set()
        told = [(await client.next()).data]
        while told[-1] != 30:
            told.append((await client.next()).data)
        # What was on its way when it stopped reading, and the newest.
        assert len(told) <= 2


async def test_a_client_that_goes_away_ends_it_at_once(service: Service) -> None:
    for _ in range(10):
        async with listening(service, COUNT) as client:
            await client.next()
    node = await service.node()
    assert node._parts.asking is not None
    assert node._parts.asking._watching._count == 0


async def test_a_node_that_drains_ends_every_stream(service: Service) -> None:
    async with listening(service, COUNT) as one, listening(service, COUNT) as other:
        service.drain()
        await asyncio.wait_for(asyncio.gather(one.ended.wait(), other.ended.wait()), 30)
        async with listening(service, COUNT) as late:
            assert late.status == 503


async def test_past_the_limit_streams_are_refused_with_the_time_to_retry(url: str) -> None:
    async with served(url, max_watchers=0) as client:
        answer = await client.http.get(COUNT, headers=STREAM)
        told = problem(answer)
        assert (answer.status_code, told["code"], told["limit"]) == (503, "too_many_watchers", 0)
        assert answer.headers["retry-after"] == "1"


async def test_what_is_wrong_from_the_start_is_told_as_ever(client: Client) -> None:
    answer = await client.http.get("/queries/GetTicket?ticket_id=1", headers=STREAM)
    assert (answer.status_code, problem(answer)["code"]) == (422, "invalid_message")
    answer = await client.http.get(COUNT, headers={**STREAM, "Twofold-After": "7", "Twofold-Timeout": "0.01"})
    assert (answer.status_code, problem(answer)["code"]) == (503, "not_fresh")
    answer = await client.http.get("/queries/BreakQuery", headers=STREAM)
    assert (answer.status_code, problem(answer)["code"]) == (500, "internal")


async def test_what_breaks_later_is_told_as_the_last_event(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(service, COUNT) as client:
        await client.next()
        node = await service.node()
        assert node._parts.views is not None

        async def broken(*_: object) -> int:
            raise RuntimeError("the inner secret of the storage")

        monkeypatch.setattr(node._parts.views, "count", broken)
        await open_ticket(service)
        event = await client.next()
        assert (event.type, event.id, event.data["code"], event.data["status"]) == ("error", "", "internal", 500)
        assert "secret" not in str(event.data)
        assert event.data["incident"] in caplog.text
        await asyncio.wait_for(client.ended.wait(), 30)


def test_a_quiet_stream_has_a_heart() -> None:
    async def main() -> None:
        service = asgi(app, "memory:")
        async with service.lifespan(), listening(service, COUNT) as client:
            started = asyncio.get_running_loop().time()
            assert [(await client.next()).type for _ in range(4)] == ["message", ":", ":", ":"]
            assert asyncio.get_running_loop().time() - started >= 3 * streams.HEARTBEAT
            await open_ticket(service)
            assert (await client.next()).data == 1

    run_virtually(main())


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/json, text/event-stream;q=0.5", True),
        ("text/event-stream;q=0", False),
        ("text/event-stream; q=0.0", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_stream_is_for_those_who_name_it(accept: str, wanted: bool) -> None:
    assert wants([(b"accept", accept.encode())], streams.MEDIA_TYPE) is wanted


async def test_a_server_ends_its_streams_when_it_is_told_to_end(tmp_path: Path) -> None:
    user_id = str(uuid4())
    with running(f"sqlite:///{tmp_path}/data") as (process, address):
        async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
            path = f"/queries/GetProfile?user_id={user_id}"
            async with http.stream("GET", path, headers=STREAM) as answer:
                lines = answer.aiter_lines()
                assert await next_data(lines) == "null"
                await http.post("/commands/RegisterUser", json={"user_id": user_id, "name": "Ada"})
                assert '"Ada"' in await next_data(lines)
                process.send_signal(signal.SIGTERM)
                assert [line async for line in lines if line] == []
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "stopped\n", "")


async def next_data(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError("the stream ended")


async def test_the_document_tells_of_streams(client: Client) -> None:
    document: dict[str, Any] = (await client.http.get("/openapi.json")).json()
    for method in ("get", "post"):
        operation = document["paths"][COUNT][method]
        assert operation["responses"]["200"]["content"]["text/event-stream"]["schema"]["type"] == "string"
        assert {"$ref": "#/components/parameters/Last-Event-ID"} in operation["parameters"]
