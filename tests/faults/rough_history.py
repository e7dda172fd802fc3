"""A history that goes wrong as histories do: it wraps a real one and obeys the same protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Literal, TypeAlias
from uuid import UUID

from twofold.errors import OutcomeUnknown, StoreBusy, StoreFailed
from twofold.history.boundary import Selection
from twofold.history.ledger import EVERY_ENTRY, LedgerEntry, LedgerSearch, Prunable
from twofold.history.record import Position, Recorded
from twofold.history.store import Appended, Decision, History, Outcome

Fault: TypeAlias = Literal[
    "none", "delayed", "raced", "failed", "stored_unknown", "stored_failed", "cancelled", "odd", "busy", "unknown",
]  # fmt: skip
FAULTS: tuple[Fault, ...] = (
    "none", "delayed", "raced", "failed", "stored_unknown", "stored_failed", "cancelled", "odd", "busy", "unknown",
)  # fmt: skip


class RoughHistory:
    """Implements `History` over another one.

    Args:
        real: what is wrapped; several of these may share one.
        plan: what befalls each append in turn; after its end all goes well.
        turns: how many turns of the event loop a call takes, by a random source of its own; 0 for none.
        rival: called before an append that is to be `raced`: another process that is first.
        unreadable: the numbers of the reads that fail after their first batch.

    Attributes:
        rejections: reason and position of each rejection that was stored.
    """

    def __init__(
        self,
        real: History,
        plan: Sequence[Fault] = (),
        *,
        turns: int = 0,
        seed: int = 0,
        rival: Callable[[], Awaitable[None]] | None = None,
        unreadable: Collection[int] = (),
    ) -> None:
        self.real = real
        self.unreadable = unreadable
        self.reads = 0
        self.plan = list(plan)
        self.rival = rival
        self.rejections: list[tuple[str, Position]] = []
        self._turns = turns
        self._random = Random(seed)

    @property
    def id(self) -> UUID:
        return self.real.id

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        fault = self.plan.pop(0) if self.plan else "none"
        await self._pause()
        if fault == "delayed":
            await asyncio.sleep(0.01)
        if fault == "raced" and self.rival is not None:
            await self.rival()
        if fault == "failed":
            raise StoreFailed(path="rough", problem="it failed before anything was stored")
        if fault == "odd":
            raise RuntimeError("a driver's own error")
        if fault == "busy":
            await asyncio.sleep(0.01)
            raise StoreBusy(path="rough", waited=0.01)
        if fault == "unknown":
            raise OutcomeUnknown(path="rough", problem="the connection was lost before the commit")
        outcomes = await self.real.append(decisions)
        for decision, outcome in zip(decisions, outcomes, strict=True):
            rejection = decision.rejection
            if rejection is not None and not rejection.failed and isinstance(outcome, Appended):
                self.rejections.append((rejection.reason, outcome.last))
        if fault == "stored_unknown":
            raise OutcomeUnknown(path="rough", problem="the connection was lost after the commit")
        if fault == "stored_failed":
            raise StoreFailed(path="rough", problem="it says that nothing was stored, and lies")
        if fault == "cancelled":
            raise asyncio.CancelledError
        await self._pause()
        return outcomes

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        self.reads += 1
        fails = self.reads in self.unreadable
        await self._pause()
        async for batch in self.real.read(selection, after=after, until=until, limit=limit):
            size = self._random.randrange(1, 4) if self._turns else len(batch)
            for start in range(0, len(batch), size):
                yield batch[start : start + size]
                await self._pause()
                if fails:
                    raise StoreFailed(path="rough", problem="it cannot be read any more")

    async def head(self) -> Position:
        return await self.real.head()

    async def changed(self, after: Position) -> None:
        await self.real.changed(after)

    async def find(self, scope: tuple[str, str, UUID]) -> Position | None:
        await self._pause()
        return await self.real.find(scope)

    async def ledger(
        self, search: LedgerSearch = EVERY_ENTRY, *, after: int | None = None, newest: bool = True, limit: int = 100
    ) -> Sequence[LedgerEntry]:
        return await self.real.ledger(search, after=after, newest=newest, limit=limit)

    async def prune(self, what: Prunable, before: datetime, *, after: int = 0, limit: int = 500) -> int | None:
        return await self.real.prune(what, before, after=after, limit=limit)

    async def close(self) -> None:
        """Leave the real one open: it is shared."""

    async def _pause(self) -> None:
        for _ in range(self._random.randrange(self._turns + 1) if self._turns else 0):
            await asyncio.sleep(0)


class GatedHistory(RoughHistory):
    """Appends wait at a gate until the test opens it; it starts open."""

    def __init__(self, real: History, plan: Sequence[Fault] = ()) -> None:
        super().__init__(real, plan)
        self.arrived = asyncio.Event()
        self.batches: list[int] = []
        self._gate = asyncio.Event()
        self._gate.set()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Let appends wait inside the block."""
        self._gate.clear()
        self.arrived.clear()
        try:
            yield
        finally:
            self._gate.set()

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        self.batches.append(len(decisions))
        self.arrived.set()
        await self._gate.wait()
        return await super().append(decisions)
