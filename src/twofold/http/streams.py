"""A query's answers as `text/event-stream`: the answer, and again whenever it has changed.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from twofold.http import headers, problem
from twofold.read.watching import Sighting, Watcher

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = 15.0
# Tells the client after how many milliseconds to come back; it makes proxies pass the headers on at once besides.
_FIRST = b"retry: 1000\n\n"
_STILL_HERE = b": still here\n\n"
_HEADERS: headers.Headers = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"vary", b"accept"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class Stream(Response):
    """Sends what a watcher sees until the client goes away, or there is nothing more to see.

    A client that reads slowly is sent the newest answer each time it can take one.

    Args:
        watcher: is closed at the end.
        doing: what it does, for the log.
        heartbeat: after how many seconds without an answer a comment is sent, so that dead connections are found.
    """

    def __init__(self, watcher: Watcher, doing: str, heartbeat: float = HEARTBEAT) -> None:
        super().__init__()
        self._watcher = watcher
        self._doing = doing
        self._heartbeat = heartbeat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as ASGI 3 has it."""
        telling = asyncio.create_task(self._tell(send), name="twofold-stream")
        leaving = asyncio.create_task(_left(receive), name="twofold-stream-left")
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            leaving.cancel()
            await asyncio.wait((telling, leaving))
            await self._watcher.close()
        if not telling.cancelled():
            # A connection that is gone is no news; everything else is the server's to know.
            with contextlib.suppress(OSError):
                telling.result()

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send(_part(_FIRST))
        try:
            while True:
                sighting = await self._watcher.next(self._heartbeat)
                if sighting is not None:
                    await send(_part(_event(sighting)))
                elif self._watcher.is_over:
                    break
                else:
                    await send(_part(_STILL_HERE))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told something, and the log more
            told = problem.response(error, self._doing)
            await send(_part(b"event: error\ndata: %b\n\n" % bytes(told.body)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def id_of(sighting: Sighting) -> str:
    """Return what a client gives back as `Last-Event-ID`: where the answer stands, and what it is."""
    return f"{sighting.position or 0}-{sighting.digest}"


def _event(sighting: Sighting) -> bytes:
    # JSON as it is encoded here has no ends of lines in it.
    return b"id: %b\ndata: %b\n\n" % (id_of(sighting).encode(), sighting.body)


def _part(body: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
