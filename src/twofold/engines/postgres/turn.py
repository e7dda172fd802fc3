"""A turn: the lock of all appends, kept by who has lost to others for as long as it takes to decide again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from twofold.engines.postgres.server import Server
from twofold.engines.postgres.session import Connection
from twofold.engines.postgres.statements import statement
from twofold.history.record import Position

T = TypeVar("T")
Append = Callable[[Connection], Awaitable[T]]

_QUEUE = 1.0
_HELD = 0.05


class Turn(Generic[T]):
    """Stands in the database's queue for the lock, which is served in order, then waits for one append.

    Without it, who decides again comes behind others that append meanwhile, and finds each time that it has to once
    more, while one that has just appended knows the latest.

    Args:
        server: the database.
    """

    def __init__(self, server: Server) -> None:
        loop = asyncio.get_running_loop()
        self._server = server
        self._head: asyncio.Future[Position] = loop.create_future()
        self._append: asyncio.Future[Append[T]] = loop.create_future()
        self._task = asyncio.create_task(self._hold(), name="twofold-turn")
        # What it fails of before it is used harms nobody.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def come(self) -> Position | None:
        """Return the head when it has the lock; None where it cannot be had, or not within 1 s."""
        either: list[asyncio.Future[Any]] = [self._head, self._task]
        await asyncio.wait(either, timeout=_QUEUE, return_when=asyncio.FIRST_COMPLETED)
        if self._head.done():
            return self._head.result()
        await self.end()
        return None

    async def use(self, append: Append[T]) -> T | None:
        """Run the one append in the transaction that has the lock, commit it, and return its answer.

        None where it was not run, because more than 50 ms had passed.

        Raises:
            OutcomeUnknown, StoreError: as `Server.transaction`.
        """
        if self._append.done() or self._task.done():
            return None
        self._append.set_result(append)
        return await self._task

    async def end(self) -> None:
        """Give the lock back, if no append is under way."""
        if not self._append.done():
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _hold(self) -> T | None:
        async with self._server.transaction() as connection:
            # In two statements: the head is the one after the lock.
            await connection.fetch(statement("lock"))
            self._head.set_result((await connection.fetch(statement("head")))[0][0])
            await asyncio.wait([self._append], timeout=_HELD)
            if self._append.done():
                return await self._append.result()(connection)
            self._append.cancel()
            return None
