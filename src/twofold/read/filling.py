"""Filling a table that nobody queries: a spare, or a shadow that a live read model is compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from twofold.errors import CannotRebuild, HistoryMismatch, StoreError
from twofold.history.codec import Codec
from twofold.history.record import Position
from twofold.history.store import History
from twofold.read.freshness import Freshness
from twofold.read.projector import Projector
from twofold.read.store import Lease, ViewStore
from twofold.read.table import Table

Told: TypeAlias = Callable[[Position, Position], None]
"""What is told how far work has come: a position, and the one at which it is done."""

_PAUSES = (0.05, 0.2, 1.0, 5.0)


class Filler(Projector):
    """Fills one segment, and gives up where somebody else begins the table anew, or puts it in the live one's place."""

    def __init__(
        self,
        table: Table[Any],
        history: History,
        store: ViewStore,
        codec: Codec,
        holder: str,
        segment: int,
        moved: Callable[[], None],
    ) -> None:
        # Whoever waits for the live read model is not to hear of this one.
        super().__init__(table, history, store, codec, Freshness(store), holder=holder, segment=segment)
        self._moved = moved
        self._begun: int | None = None

    @property
    def position(self) -> Position:
        """How far it has come."""
        return self._checkpoint

    @property
    def has_begun(self) -> bool:
        """Whether it has had the lease."""
        return self._begun is not None

    async def is_untouched(self) -> bool:
        """Tell whether nobody else has begun the table anew, or exchanged it, since this one began to fill it."""
        standing = await self._store.standing(self.table, self.segment)
        return self._begun is None or (standing is not None and self._begun == standing.epoch)

    async def _lead(self) -> None:
        # Before the lease is claimed again: it may be that of whoever has begun the table anew.
        if not await self.is_untouched():
            raise self.taken()
        await super()._lead()

    async def _stand_by(self, lease: Lease) -> None:
        if lease.holder:
            raise CannotRebuild(model=self.table.name, problem=f"{lease.holder} is rebuilding it")
        # The table was begun anew in the very moment of the claim: nobody has it yet.
        await asyncio.sleep(_PAUSES[0])

    async def _take_up(self) -> None:
        if self._lease is not None:
            if self._begun not in (None, self._lease.epoch):
                raise self.taken()
            self._begun = self._lease.epoch
        await super()._take_up()

    def _tell(self) -> None:
        self._moved()

    def taken(self) -> CannotRebuild:
        """Return the error that somebody else has the table."""
        problem = "another rebuild of it was begun, or ended, meanwhile"
        return CannotRebuild(model=self.table.name, problem=problem)


class Filling:
    """Fills all segments of a table side by side.

    Args:
        table: which nobody queries; it has been made.
        history: the events.
        store: where the table is.
        codec: the application's events.
        holder: the name under which leases are held.
        told: how far it has come.
    """

    def __init__(
        self, table: Table[Any], history: History, store: ViewStore, codec: Codec, holder: str, told: Told | None = None
    ) -> None:
        self._told = told
        self._until: Position = 0
        self._fillers = [
            Filler(table, history, store, codec, holder, segment, self._tell) for segment in range(table.segments)
        ]

    @property
    def position(self) -> Position:
        """How far the last of the segments has come."""
        return min(filler.position for filler in self._fillers)

    async def fill(self, until: Position) -> None:
        """Bring the table to a position of the history.

        Raises:
            CannotRebuild: somebody else fills the table, or has begun it anew.
            TooManyParked: more keys would be parked than the read model allows.
            StoreError: the storage failed at several tries.
        """
        self._until = until
        tasks = [
            asyncio.create_task(_patiently(filler, until), name=f"twofold-fill-{filler.segment}")
            for filler in self._fillers
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def is_own(self) -> bool:
        """Tell whether this is still who fills the table: not one who never came to it."""
        return self._fillers[0].has_begun and await self._fillers[0].is_untouched()

    async def refuse_if_taken(self) -> None:
        """Go on, unless somebody else has touched the table.

        Raises:
            CannotRebuild: somebody has.
        """
        if not await self._fillers[0].is_untouched():
            raise self._fillers[0].taken()

    async def release(self) -> None:
        """Let others fill the table at once."""
        for filler in self._fillers:
            await filler.release()

    def _tell(self) -> None:
        if self._told is not None:
            self._told(self.position, self._until)


async def _patiently(filler: Filler, until: Position) -> None:
    failures: Sequence[float] = _PAUSES
    reached = -1
    while True:
        try:
            await filler.catch_up(until)
        except HistoryMismatch:
            raise
        except StoreError:
            if filler.position > reached:
                failures, reached = _PAUSES, filler.position
            if not failures:
                raise
            await asyncio.sleep(failures[0])
            failures = failures[1:]
        else:
            if filler.position >= until:
                return
