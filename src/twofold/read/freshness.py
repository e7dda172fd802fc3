"""Waiting until read models have reached a position, and telling projections that somebody waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from twofold.errors import NotFresh
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.store import ViewStore
from twofold.read.table import Table

_POLL = 0.005


class Freshness:
    """Knows how far each read model has come, and wakes who waits for it.

    Args:
        store: where the read models are.
        polls: True where another process projects them; then the store is asked every 5 ms while someone waits.
    """

    def __init__(self, store: ViewStore, *, polls: bool) -> None:
        self._store = store
        self._polls = polls
        self._reached: dict[str, Position] = {}
        self._moved = Signal()
        self._awaited: Counter[str] = Counter()
        self._asked = Signal()

    def moved(self, table: Table[Any], position: Position) -> None:
        """Note that queries of a live read model now see everything up to a position."""
        self._reached[table.versioned_name] = position
        self._moved.notify()

    def reached(self, table: Table[Any]) -> Position | None:
        """Return how far a read model is known to have come; None while it is being built."""
        return self._reached.get(table.versioned_name)

    def has(self, tables: Sequence[Table[Any]], position: Position) -> bool:
        """Tell whether all of the read models are known to have reached a position."""
        reached = self._reached
        return all(reached.get(table.versioned_name, -1) >= position for table in tables)

    async def position(self, tables: Sequence[Table[Any]]) -> Position | None:
        """Return the position up to which queries of all of the read models see everything; None of no read model."""
        if self._polls:
            await self._look(tables, 0)
        return min((self.reached(table) or 0 for table in tables), default=None)

    async def wait(self, tables: Sequence[Table[Any]], position: Position, timeout: float) -> None:
        """Return as soon as all of the read models have reached a position.

        Raises:
            NotFresh: they have not within `timeout` seconds.
        """
        if self.has(tables, position):
            return
        names = [table.versioned_name for table in tables]
        self._awaited.update(names)
        self._asked.notify()
        try:
            async with asyncio.timeout(timeout):
                while not self.has(tables, position):
                    if not self._polls:
                        await self._moved.wait()
                    elif not await self._look(tables, position):
                        await self._moved.wait(_POLL)
        except TimeoutError as error:
            late = next((table for table in tables if not self.has([table], position)), tables[0])
            raise self._not_fresh(late, position, timeout) from error
        finally:
            self._awaited.subtract(names)

    async def linger(self, table: Table[Any], seconds: float) -> None:
        """Return after so many seconds, or as soon as somebody waits for the read model."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._awaited[table.versioned_name] <= 0:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await self._asked.wait(left)

    def _not_fresh(self, table: Table[Any], position: Position, timeout: float) -> NotFresh:
        reached = self.reached(table)
        facts = {"model": table.name, "wanted": position, "reached": reached or 0, "timeout": timeout}
        if reached is None:
            building = f"read model {table.name} is still being built from the history after {timeout:g} s; "
            return NotFresh(building + "ask again, or see `twofold models` for its lag", **facts)
        return NotFresh(**facts)

    async def _look(self, tables: Sequence[Table[Any]], position: Position) -> bool:
        for table in tables:
            checkpoint = await self._store.checkpoint(table)
            if checkpoint is not None:
                self._reached[table.versioned_name] = checkpoint
        return self.has(tables, position)
