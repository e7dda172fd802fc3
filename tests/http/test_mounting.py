"""A service inside a Starlette or a FastAPI application, under a prefix, with its own node or the host's."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message

from tests.http.client import JSON, problem, to
from tests.http.tickets import OpenTicket, app
from twofold import App
from twofold.errors import DeclarationError, InvalidAddress, NodeClosed
from twofold.http import asgi
from twofold.http.service import Service

pytestmark = pytest.mark.anyio


def in_starlette(service: Service, lifespan: Any = None) -> ASGIApp:
    return Starlette(routes=[Mount("/office", app=service)], lifespan=lifespan)


def in_fastapi(service: Service, lifespan: Any = None) -> ASGIApp:
    host = FastAPI(lifespan=lifespan)
    host.mount("/office", service)
    return host


def in_nested(service: Service, lifespan: Any = None) -> ASGIApp:
    return Starlette(routes=[Mount("/office", routes=[Mount("/", app=service)])], lifespan=lifespan)


HOSTS = pytest.mark.parametrize("host", [in_starlette, in_fastapi, in_nested], ids=lambda host: host.__name__)
Host = Callable[..., ASGIApp]


@asynccontextmanager
async def alive(host: ASGIApp) -> AsyncIterator[None]:
    """Run an application's lifespan, as a server does."""
    to_host: asyncio.Queue[Message] = asyncio.Queue()
    from_host: asyncio.Queue[Message] = asyncio.Queue()

    async def live() -> None:
        await host({"type": "lifespan", "asgi": {}, "state": {}}, to_host.get, from_host.put)

    running = asyncio.create_task(live())
    await to_host.put({"type": "lifespan.startup"})
    started = await from_host.get()
    if started["type"] == "lifespan.startup.failed":
        raise RuntimeError(started["message"])
    try:
        yield
    finally:
        await to_host.put({"type": "lifespan.shutdown"})
        assert (await from_host.get())["type"] == "lifespan.shutdown.complete"
        await running


async def write_and_read(http: httpx2.AsyncClient, prefix: str) -> UUID:
    ticket_id = uuid4()
    written = await http.post(f"{prefix}/commands/OpenTicket", json={"ticket_id": str(ticket_id), "title": "t"})
    assert written.status_code == 200, written.text
    after = {"Twofold-After": written.headers["twofold-after"]}
    read = await http.get(f"{prefix}/queries/GetTicket?ticket_id={ticket_id}", headers=after)
    assert read.json()["title"] == "t"
    return ticket_id


@HOSTS
async def test_a_mounted_service_opens_its_node_at_the_first_request(host: Host, url: str) -> None:
    service = asgi(app, url)
    async with to(host(service)) as http:
        await write_and_read(http, "/office")
    async with service.lifespan():
        pass


@HOSTS
async def test_the_hosts_lifespan_opens_and_closes_the_node(host: Host, url: str) -> None:
    service = asgi(app, url)
    hosting = host(service, service.lifespan)
    async with to(hosting) as http:
        async with alive(hosting):
            node = await service.node()
            await write_and_read(http, "/office")
            assert await node.history.head() == 1
        with pytest.raises(NodeClosed):
            await node.send(OpenTicket(uuid4(), "too late"))
        answer = await http.get("/office/queries/CountTickets")
        assert (answer.status_code, problem(answer)["code"]) == (503, "node_closed")
        assert "node.send" not in answer.text


async def test_a_service_at_the_root_is_opened_and_closed_by_the_server(url: str) -> None:
    service = asgi(app, url)
    async with to(service) as http:
        async with alive(service):
            await write_and_read(http, "")
        assert (await http.get("/queries/CountTickets")).status_code == 503
        assert (await http.get("/openapi.json")).status_code == 200


async def test_a_service_can_be_started_again(tmp_path: Any) -> None:
    service = asgi(app, f"sqlite:///{tmp_path}/data")
    for position in (1, 2):
        async with alive(service), to(service) as http:
            await write_and_read(http, "")
            assert await (await service.node()).history.head() == position


async def test_a_server_is_told_why_the_service_does_not_start(tmp_path: Any) -> None:
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(RuntimeError, match="cannot use"):
        async with alive(asgi(app, f"sqlite:///{tmp_path}/data")):
            pass


async def test_files_that_are_not_ours_are_told_without_their_place(tmp_path: Any) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "history.db").write_bytes(b"something else" * 1000)
    async with to(asgi(app, f"sqlite:///{tmp_path}/data")) as http:
        answer = await http.post("/commands/CloseTicket", json={"ticket_id": str(uuid4())})
        assert (answer.status_code, problem(answer)["code"]) == (503, "foreign_file")
        assert str(tmp_path) not in answer.text


async def test_storage_that_could_not_be_opened_is_tried_again_at_the_next_request(tmp_path: Any) -> None:
    place = tmp_path / "data"
    place.write_text("no folder")
    service = asgi(app, f"sqlite:///{place}")
    async with to(service) as http:
        answers = await asyncio.gather(*(http.get("/queries/CountTickets") for _ in range(5)))
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "store_unavailable")}
        place.unlink()
        await write_and_read(http, "")
    async with service.lifespan():
        pass


async def test_many_first_requests_at_once_open_one_node() -> None:
    # Each node of `memory:` has a history of its own, so a second one would give a position twice.
    service = asgi(app, "memory:")
    async with to(service) as http:
        answers = await asyncio.gather(
            *(http.post("/commands/OpenTicket", json={"ticket_id": str(uuid4()), "title": "t"}) for _ in range(20))
        )
    assert sorted(answer.json()["position"] for answer in answers) == list(range(1, 21))
    async with service.lifespan():
        assert await (await service.node()).history.head() == 20


async def test_a_first_request_that_is_cancelled_leaves_the_others_their_node(url: str) -> None:
    service = asgi(app, url)
    first, second = asyncio.create_task(service.node()), asyncio.create_task(service.node())
    await asyncio.sleep(0)
    first.cancel()
    assert await (await second).history.head() == 0
    with pytest.raises(asyncio.CancelledError):
        await first
    async with service.lifespan():
        assert await service.node() is await second


async def test_lifespans_may_be_nested() -> None:
    service = asgi(app, "memory:")
    async with service.lifespan():
        async with service.lifespan():
            node = await service.node()
        assert await service.node() is node
        assert await node.history.head() == 0
    with pytest.raises(NodeClosed):
        await service.node()


async def test_the_node_of_the_host_is_served_and_left_open(url: str) -> None:
    async with app.open(url) as node:
        service = asgi(app, node=node)
        async with alive(service), to(in_starlette(service)) as http:
            await write_and_read(http, "/office")
        receipt = await node.send(OpenTicket(uuid4(), "by the host"))
        assert receipt.position == 2
        assert await service.node() is node


async def test_a_node_of_another_application_is_refused() -> None:
    async with App("other").open("memory:") as node:
        with pytest.raises(DeclarationError, match="the node runs the application 'other'"):
            asgi(app, node=node)


async def test_a_wrong_address_is_refused_before_anything_is_served() -> None:
    with pytest.raises(InvalidAddress):
        asgi(app, "mysql://somewhere")


async def test_a_side_that_the_node_does_not_run_is_told() -> None:
    async with app.open("memory:", roles=["write"]) as node, to(asgi(app, node=node)) as http:
        answer = await http.get("/queries/CountTickets")
        assert (answer.status_code, problem(answer)["code"]) == (503, "role_missing")


def test_requests_from_another_event_loop_are_told_so(caplog: pytest.LogCaptureFixture) -> None:
    service = asgi(app, "memory:")

    async def ask() -> httpx2.Response:
        async with to(service) as http:
            return await http.get("/queries/CountTickets")

    assert asyncio.run(ask()).status_code == 200
    assert asyncio.run(ask()).status_code == 500
    assert "another event loop" in caplog.text


async def prefix_of(http: httpx2.AsyncClient, prefix: str) -> None:
    """Check that what the service tells about itself leads back to it."""
    document = (await http.get(f"{prefix}/openapi.json")).json()
    [server] = document["servers"]
    for path in ("/health/live", "/docs", "/openapi.json"):
        assert (await http.get(server["url"].rstrip("/") + path)).status_code == 200
    page = await http.get(f"{prefix}/docs")
    links = re.findall(r'(?:href|data-path)="([^"#:]+)"', page.text)
    assert "openapi.json" in links
    assert "commands/OpenTicket" in links
    for link in links:
        found = await http.post(page.url.join(link), content=b"{}", headers=JSON)
        assert found.status_code != 404
    root = await http.get(f"{prefix}/")
    assert root.status_code == 307
    assert (await http.get(page.url.join(root.headers["location"]))).text == page.text


@HOSTS
async def test_the_documentation_works_under_the_hosts_prefix(host: Host) -> None:
    service = asgi(app, "memory:")
    async with to(host(service)) as http:
        await prefix_of(http, "/office")
    async with service.lifespan():
        pass


@pytest.mark.parametrize("path", ["/gateway/office", "/office"])
@HOSTS
async def test_a_proxys_prefix_is_told_whether_or_not_it_is_left_in_the_path(host: Host, path: str) -> None:
    service = asgi(app, "memory:")
    async with to(host(service), root_path="/gateway") as http:
        document = await http.get(f"{path}/openapi.json")
        assert document.json()["servers"] == [{"url": "/gateway/office"}]
        assert (await http.get(f"{path}/docs")).status_code == 200
        assert (await http.get(f"{path}/queries/CountTickets")).status_code == 200
        assert (await http.get(f"{path}/commandsX")).status_code == 404
    async with service.lifespan():
        pass


async def test_a_path_that_only_begins_like_the_prefix_is_not_taken_for_it() -> None:
    async with to(asgi(app, "memory:"), root_path="/doc") as http:
        assert (await http.get("/docs")).status_code == 200
        assert (await http.get("/doc/docs")).status_code == 200
        assert (await http.get("/doc")).status_code == 307


async def test_a_websocket_is_closed() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await asgi(app, "memory:")({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]
