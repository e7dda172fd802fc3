"""Telling other processes that something has moved, and hearing of it: a hint that may be lost (LISTEN and NOTIFY)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg

from twofold.engines.postgres.server import Server
from twofold.engines.postgres.statements import statement
from twofold.errors import StoreError

_GAP = 0.005
_AGAIN = 1.0
_LAST_WORDS = 0.2


class Teller:
    """Tells a channel that there are news: at once, and then at most every 5 ms.

    Never inside the transaction that it tells about: that would make all such transactions of the server wait for one
    another up to the end of their commits.

    Args:
        server: the database.
        channel: what others listen to.
        news: what is told; empty where something has moved.
    """

    def __init__(self, server: Server, channel: str, news: str = "") -> None:
        self._server = server
        self._channel = channel
        self._news = news
        self._untold = False
        self._task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Tell it soon; returns at once."""
        self._untold = True
        if self._server.address.notify and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._tell(), name=f"twofold-tell-{self._channel}")

    async def close(self) -> None:
        """Tell what is untold if that is quick, and end."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LAST_WORDS)
            self._task.cancel()

    async def _tell(self) -> None:
        while self._untold:
            self._untold = False
            with contextlib.suppress(StoreError):
                await self._server.call(statement("tell"), self._channel, self._news)
            await asyncio.sleep(_GAP)


class Listener:
    """Listens to a channel on a connection of its own, which is made again when it is lost.

    Args:
        server: the database.
        channel: what others tell.
        heard: called with every news, and with none whenever there may have been some that were missed.

    Attributes:
        listens: whether it hears now.
    """

    def __init__(self, server: Server, channel: str, heard: Callable[[str], None]) -> None:
        self._server = server
        self._channel = channel
        self._heard = heard
        self.listens = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, if that is possible here and wanted."""
        if self._task is None and self._server.address.notify and not self._server.pooled:
            self._task = asyncio.create_task(self._run(), name=f"twofold-listen-{self._channel}")

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            # A replica, among others, lets nobody listen; it is asked again, for it may be promoted.
            with contextlib.suppress(StoreError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._listen()
            await asyncio.sleep(_AGAIN)

    async def _listen(self) -> None:
        connection = await self._server.connect()
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            async with asyncio.timeout(self._server.address.deadline):
                await connection.add_listener(self._channel, lambda *told: self._heard(str(told[-1])))
            self.listens = True
            self._heard("")
            await lost.wait()
        finally:
            self.listens = False
            connection.terminate()
