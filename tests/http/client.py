"""A service with a client that speaks to it in this process, over the whole of ASGI."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec

from tests.http.tickets import app
from twofold import App, Node
from twofold.http import asgi

JSON = {"Content-Type": "application/json"}


class Client:
    """Sends requests to a service, and looks into the history behind it."""

    def __init__(self, http: httpx2.AsyncClient, node: Node) -> None:
        self.http = http
        self.node = node

    async def send(self, name: str, fields: Any, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        body = msgspec.json.encode(fields)
        return await self.http.post(f"/commands/{name}", content=body, headers={**JSON, **(headers or {})})

    async def raw(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return await self.http.post(path, content=body, headers=JSON if headers is None else headers)

    async def ask(self, name: str, fields: Any, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        body = msgspec.json.encode(fields)
        return await self.http.post(f"/queries/{name}", content=body, headers={**JSON, **(headers or {})})

    async def open_ticket(self, ticket_id: UUID | None = None, **fields: Any) -> UUID:
        ticket_id = ticket_id or uuid4()
        answer = await self.send("OpenTicket", {"ticket_id": ticket_id, "title": "a title", **fields})
        assert answer.status_code == 200, answer.text
        return ticket_id

    async def head(self) -> int:
        return await self.node.history.head()


@asynccontextmanager
async def served(url: str, app: App = app, **options: Any) -> AsyncIterator[Client]:
    service = asgi(app, url, **options)
    async with service.lifespan(), to(service) as http:
        yield Client(http, await service.node())


def to(service: Any, **options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service, **options), base_url="http://service")


def problem(answer: httpx2.Response) -> dict[str, Any]:
    """Return the problem that an answer tells, after checking that it is told as RFC 9457 has it."""
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["type"].startswith("urn:twofold:")
    assert told["title"]
    assert told["detail"]
    assert told["code"]
    return told
