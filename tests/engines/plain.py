"""A history made of the suites' reference: plain enough to plant any mistake in it and see that the suite finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec

from twofold.history.boundary import Selection
from twofold.history.ledger import EVERY_ENTRY, LedgerEntry, LedgerSearch, Prunable
from twofold.history.record import Position, Recorded
from twofold.history.store import Decision, Outcome
from twofold.testing.contracts import Ability, Engine, HistoryEngine
from twofold.testing.contracts.reference import Reference

BATCH = 1000


class Kept:
    """What lies at a place."""

    def __init__(self, make: Callable[[], Reference]) -> None:
        self.id = uuid4()
        self.reference = make()
        # One for all events: a reading at another second is to find the same.
        self.recorded_at = int(datetime.now(UTC).timestamp()) * 1_000_000
        self.news = asyncio.Condition()


class PlainHistory:
    """Implements `History`; planted mistakes are overridden methods."""

    reference_of: type[Reference] = Reference

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.reference = kept.reference

    @property
    def id(self) -> UUID:
        return self.kept.id

    async def append(self, decisions: Sequence[Decision]) -> Sequence[Outcome]:
        outcomes = self.reference.append(decisions)
        await self.tell()
        return outcomes

    async def tell(self) -> None:
        async with self.kept.news:
            self.kept.news.notify_all()

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        end = await self.head() if until is None else until
        found = [self.told(each) for each in self.reference.read(selection, after, end, limit)]
        for start in range(0, len(found), BATCH):
            yield found[start : start + BATCH]

    def told(self, recorded: Recorded) -> Recorded:
        return msgspec.structs.replace(recorded, recorded_at=self.kept.recorded_at)

    async def head(self) -> Position:
        return len(self.reference.events)

    async def changed(self, after: Position) -> None:
        async with self.kept.news:
            await self.kept.news.wait_for(lambda: len(self.reference.events) > after)

    async def find(self, scope: tuple[str, str, UUID]) -> Position | None:
        known = self.reference.accepted.get(scope)
        return None if known is None else known.position

    async def ledger(
        self, search: LedgerSearch = EVERY_ENTRY, *, after: int | None = None, newest: bool = True, limit: int = 100
    ) -> Sequence[LedgerEntry]:
        return self.reference.ledger(search, after, newest, limit)

    async def prune(self, what: Prunable, before: datetime, *, after: int = 0, limit: int = 500) -> int | None:
        return self.reference.prune(what, before, after, limit)

    async def close(self) -> None: ...


def plain_engine(kind: type[PlainHistory] = PlainHistory, *, cannot: set[Ability] | None = None) -> HistoryEngine:
    unable: set[Ability] = {"transact"} if cannot is None else cannot
    return Engine(kind.__name__, kind, place=lambda: Kept(kind.reference_of), cannot=unable)
