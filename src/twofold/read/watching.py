"""Live queries: a question is asked again whenever the read models that it is answered from have moved.

However many watch one question, it is asked once for all of them.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Self

import msgspec

from twofold.errors import NodeClosed, TooManyWatchers
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.freshness import Freshness, Stand
from twofold.read.table import Table

# However fast a history grows, a question rests so long after it was asked. What comes meanwhile is one change.
PACE = 0.05
_encode = msgspec.json.Encoder().encode


class Sighting(msgspec.Struct, frozen=True):
    """What a question was answered with at some moment.

    Args:
        value: the answer, which all who watch share.
        position: the answer shows everything up to it; None where it rests on no read model.
        body: the answer as JSON.
        digest: is equal where the body is.
    """

    value: Any
    position: Position | None
    body: bytes
    digest: str


class Question:
    """A question that is watched: its newest answer, and the task that asks it again.

    Args:
        ask: asks it, and returns the answer.
        tables: what it is answered from.
        freshness: knows when these move.

    Attributes:
        watchers: how many watch it.
        latest: the newest answer; None before the first.
        changed: calls when `latest` is another answer, or there will be none any more.
    """

    def __init__(self, ask: Callable[[], Awaitable[Any]], tables: list[Table[Any]], freshness: Freshness) -> None:
        self.watchers = 0
        self.latest: Sighting | None = None
        self.changed = Signal()
        self._ask = ask
        self._tables = tables
        self._freshness = freshness
        self._stand: Stand = ()
        self._asked = Signal()
        self._error: Exception | None = None
        self._is_over = False
        # It outlives the watcher that comes first, so it takes nothing over from that one's context.
        self._task = asyncio.create_task(self._ask_on(), name="twofold-watch", context=contextvars.Context())

    @property
    def is_over(self) -> bool:
        """Whether it is not asked any more."""
        return self._is_over or self._error is not None

    async def seen_from(self, stand: Stand) -> None:
        """Return when the newest answer shows what its read models had when they stood so.

        Raises:
            Exception: as `check`.
        """
        while not self.is_over and (self.latest is None or any(map(int.__lt__, self._stand, stand))):
            await self._asked.wait()
        self.check()

    def check(self) -> None:
        """Raise what ended it, if that was an error.

        Raises:
            Exception: what the handler raised, or what kept the read models from being read.
        """
        if self._error is not None:
            # Each watcher raises it on its own: the traces of a thousand would else be one.
            raise self._error.with_traceback(None)

    def stop(self) -> None:
        """Ask it no more. Its watchers see no further answer."""
        self._is_over = True
        self._task.cancel()
        self._wake()

    async def end(self) -> None:
        """Ask it no more, and return when it is not asked any more."""
        self.stop()
        await asyncio.wait([self._task])

    async def _ask_on(self) -> None:
        try:
            while True:
                stand = await self._freshness.look(self._tables)
                position = self._freshness.shown(self._tables)
                self._take(stand, position, await self._ask())
                await asyncio.sleep(PACE)
                await self._freshness.moved_from(self._tables, stand)
        except Exception as error:  # noqa: BLE001 - whatever it is, the watchers raise it
            self._error = error
            self._wake()

    def _take(self, stand: Stand, position: Position | None, value: Any) -> None:
        body = _encode(value)
        digest = digest_of(body)
        before, self._stand = self.latest, stand
        # The position moves on, even where the answer does not change.
        self.latest = Sighting(value, position, body, digest)
        self._asked.notify()
        if before is None or before.digest != digest:
            self.changed.notify()

    def _wake(self) -> None:
        self._asked.notify()
        self.changed.notify()


class Watcher:
    """Sees the answers to a question: the newest each time, never one that equals the one that it saw before.

    Whoever takes them slowly misses those between; nothing is queued. Leave it with `close`, or use `async with`.
    """

    def __init__(self, question: Question, seen: str | None, leave: Callable[[], Awaitable[None]]) -> None:
        self._question = question
        self._seen = seen
        self._leave: Callable[[], Awaitable[None]] | None = leave

    async def next(self, timeout: float | None = None) -> Sighting | None:
        """Return the next answer, or None after `timeout` seconds without one, or when there will be none any more.

        Raises:
            Exception: what the query's handler raised, or what kept its read models from being read.
        """
        question = self._question
        while not self.is_over:
            latest = question.latest
            if latest is not None and latest.digest != self._seen:
                self._seen = latest.digest
                return latest
            calls = question.changed.calls
            await question.changed.wait(timeout)
            if question.changed.calls == calls:
                return None
        question.check()
        return None

    @property
    def is_over(self) -> bool:
        """Whether there will be no further answer."""
        return self._question.is_over or self._leave is None

    async def close(self) -> None:
        """Watch no more. May be called twice."""
        leave, self._leave = self._leave, None
        if leave is not None:
            await leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.close()


class Watching:
    """All questions that are watched on a node.

    Args:
        freshness: knows when read models move.
        limit: how many may watch at once.
    """

    def __init__(self, freshness: Freshness, limit: int) -> None:
        self._freshness = freshness
        self._limit = limit
        self._count = 0
        self._questions: dict[Hashable, Question] = {}
        self._is_over = False

    async def watch(
        self, key: Hashable, ask: Callable[[], Awaitable[Any]], tables: list[Table[Any]], seen: str | None
    ) -> Watcher:
        """Return a watcher of a question, as soon as there is an answer that shows what is there now.

        Args:
            key: the same for the same question.
            ask: asks it.
            tables: what it is answered from.
            seen: the digest of an answer that need not be shown again.

        Raises:
            NodeClosed: the node is closing.
            TooManyWatchers: there are as many as there may be.
            Exception: what the query's handler raised.
        """
        if self._is_over:
            raise NodeClosed()
        if self._count >= self._limit:
            raise TooManyWatchers(watchers=self._count, limit=self._limit)
        question = self._questions.get(key)
        if question is None or question.is_over:
            question = self._questions[key] = Question(ask, tables, self._freshness)
        question.watchers += 1
        self._count += 1

        async def leave() -> None:
            self._count -= 1
            question.watchers -= 1
            if not question.watchers:
                if self._questions.get(key) is question:
                    del self._questions[key]
                await question.end()

        try:
            await question.seen_from(await self._freshness.look(tables))
            if question.is_over:
                raise NodeClosed()
        except BaseException:
            await leave()
            raise
        return Watcher(question, seen, leave)

    def stop(self) -> None:
        """Let nobody watch any more."""
        self._is_over = True
        for question in self._questions.values():
            question.stop()

    async def end(self) -> None:
        """Let nobody watch any more, and return when nothing is asked on their behalf."""
        self.stop()
        await asyncio.gather(*(question.end() for question in list(self._questions.values())))


def digest_of(body: bytes) -> str:
    """Return what tells an answer from another one, from its JSON."""
    return hashlib.blake2b(body, digest_size=12).hexdigest()
