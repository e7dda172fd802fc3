"""A client of event streams that speaks ASGI itself, so that it can be slow, go away, and see each part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True):
    """An event of a stream; a comment has the type `:`."""

    type: str
    id: str
    data: Any


class Listener:
    """What a client hears of one request.

    Attributes:
        status: of the answer.
        headers: of the answer.
        heard: the answer's body so far.
        ears: while they are not set, the connection takes nothing.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.heard = b""
        self.ears = asyncio.Event()
        self.ears.set()
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self._parts: asyncio.Queue[bytes] = asyncio.Queue()
        self._left: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def ask(self, body: bytes) -> None:
        self._left.put_nowait({"type": "http.request", "body": body, "more_body": False})

    def leave(self) -> None:
        self._left.put_nowait({"type": "http.disconnect"})

    async def next(self) -> Event:
        """Return the next event or comment."""
        while True:
            event = read(await self._parts.get())
            if event is not None:
                return event

    async def receive(self) -> dict[str, Any]:
        return await self._left.get()

    async def send(self, message: Mapping[str, Any]) -> None:
        await self.ears.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.began.set()
        elif message.get("body"):
            self.heard += message["body"]
            self._parts.put_nowait(message["body"])
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.ended.set()


@asynccontextmanager
async def listening(
    service: Any, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> AsyncIterator[Listener]:
    """Ask for an event stream, by POST if there is a body, and end the request with the block."""
    listener = Listener()
    if body is not None:
        listener.ask(body)
    route, _, fields = path.partition("?")
    every = {"accept": "text/event-stream", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope = {
        "type": "http", "method": "GET" if body is None else "POST", "path": route, "query_string": fields.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in every.items()],
    }  # fmt: skip
    serving = asyncio.create_task(service(scope, listener.receive, listener.send))
    beginning = asyncio.create_task(listener.began.wait())
    try:
        await asyncio.wait((serving, beginning), return_when=asyncio.FIRST_COMPLETED)
        yield listener
    finally:
        beginning.cancel()
        listener.ears.set()
        listener.leave()
        await serving


def read(part: bytes) -> Event | None:
    """Return the event that a part of a stream holds; None for a part that only says when to come back."""
    if part.startswith(b":"):
        return Event(":", "", None)
    fields = dict(line.split(": ", 1) for line in part.decode().strip().splitlines())
    if "data" not in fields:
        return None
    return Event(fields.get("event", "message"), fields.get("id", ""), msgspec.json.decode(fields["data"]))
