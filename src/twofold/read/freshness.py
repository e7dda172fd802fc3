"""Waiting until read models have reached a position, and telling projections that somebody waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from twofold.errors import NodeClosed, NotFresh, StoreError
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.store import SharedViewStore, ViewStore
from twofold.read.stores import store_of
from twofold.read.table import Table

Stand: TypeAlias = tuple[int, ...]
"""How some read models stand. While they stand so, their rows are the same."""

_PATIENCE = 1.0
# Rows of a read model that is projected here are changed by other hands seldom, and those of this node tell it.
_SELDOM = 0.25


class Freshness:
    """Knows how far each read model has come, and wakes who waits for it.

    Args:
        store: where the read models are. What other nodes project is looked up there while someone waits for it.

    Attributes:
        hurries: how often other nodes have said that somebody waits there.
    """

    def __init__(self, store: ViewStore) -> None:
        self._store = store
        self._reached: dict[str, Position] = {}
        self._segments: dict[str, dict[int, Position]] = {}
        self._sums: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._moved = Signal()
        self._awaited: Counter[Table[Any]] = Counter()
        self._watched: Counter[Table[Any]] = Counter()
        self._asked = Signal()
        self.hurries = 0
        self._elsewhere = Signal()
        self._here: set[Table[Any]] = set()
        self._watches: dict[str, asyncio.Task[StoreError | None]] = {}
        self._closed = False

    def projects(self, table: Table[Any], segment: int = 0, *, here: bool) -> None:
        """Note whether this process projects a segment of a read model, and so tells how far it has come."""
        segments = self._segments.setdefault(table.versioned_name, {})
        if here:
            segments.setdefault(segment, -1)
        else:
            segments.pop(segment, None)
        # While others project some of it, or queries see it later, the store tells how far the whole is.
        is_all_here = len(segments) == table.segments and not self._store.lags(table)
        (self._here.add if is_all_here else self._here.discard)(table)
        self._moved.notify()

    def moved(self, table: Table[Any], position: Position, segment: int = 0) -> None:
        """Note that everything of a segment of a live read model is stored up to a position."""
        if self._store.lags(table):
            pass
        elif table.segments == 1:
            self._note(table, position)
        elif segment in (segments := self._segments.get(table.versioned_name, {})):
            segments[segment] = position
            if len(segments) == table.segments:
                self._note_segments(table, list(segments.values()))
        self._moved.notify()

    def _note(self, table: Table[Any], position: Position) -> bool:
        # What a query saw once it always sees: what one segment tells late takes nothing back.
        is_news = position > self._reached.get(table.versioned_name, -1)
        if is_news:
            self._reached[table.versioned_name] = position
        return is_news

    def _note_segments(self, table: Table[Any], positions: Sequence[Position]) -> bool:
        """Note the checkpoints of all segments: the lowest is how far the whole is, their sum tells when any moved."""
        before = self._sums.get(table.versioned_name, -1)
        if min(positions) >= 0:
            self._sums[table.versioned_name] = max(before, sum(positions))
            self._note(table, min(positions))
        return self._sums.get(table.versioned_name, -1) != before

    def reached(self, table: Table[Any]) -> Position | None:
        """Return how far a read model is known to have come; None while it is being built."""
        return self._reached.get(table.versioned_name)

    def has(self, tables: Sequence[Table[Any]], position: Position) -> bool:
        """Tell whether all of the read models are known to have reached a position."""
        reached = self._reached
        return all(reached.get(table.versioned_name, -1) >= position for table in tables)

    async def position(self, tables: Sequence[Table[Any]]) -> Position | None:
        """Return the position up to which queries of all of the read models see everything; None of no read model."""
        await self._look(tables)
        return self.shown(tables)

    def shown(self, tables: Sequence[Table[Any]]) -> Position | None:
        """Return the position up to which queries are known to see everything; None of no read model."""
        return min((self.reached(table) or 0 for table in tables), default=None)

    async def wait(self, tables: Sequence[Table[Any]], position: Position, timeout: float) -> None:
        """Return as soon as all of the read models have reached a position.

        Raises:
            NotFresh: they have not within `timeout` seconds.
        """
        if self.has(tables, position):
            return
        self._awaited.update(tables)
        self._asked.notify()
        try:
            # What is there already is found however short the time is.
            await self._look(tables)
            self._hurry(tables, position)
            async with asyncio.timeout(timeout):
                await self._until(tables, position)
        except TimeoutError as error:
            late = next((table for table in tables if not self.has([table], position)), tables[0])
            raise self._not_fresh(late, position, timeout) from error
        finally:
            self._awaited.subtract(tables)

    async def _until(self, tables: Sequence[Table[Any]], position: Position) -> None:
        time = asyncio.get_running_loop().time
        looked = time()
        while not self.has(tables, position):
            await self._next_move(tables, _PATIENCE)
            if time() - looked >= _PATIENCE:
                # Another node may have taken over what hangs here and does not know it yet.
                await self._look(tables, whoever=True)
                looked = time()

    def stand(self, tables: Sequence[Table[Any]]) -> Stand:
        """Return how read models are known to stand: how far each is, and under which epochs its rows were stored."""
        stand: list[int] = []
        for table in tables:
            moved = self._reached if table.segments == 1 else self._sums
            stand += (moved.get(table.versioned_name, -1), self._epochs.get(table.versioned_name, -1))
        return tuple(stand)

    async def look(self, tables: Sequence[Table[Any]]) -> Stand:
        """Return how read models stand, after looking where others project them."""
        await self._look(tables)
        await self._look([table for table in tables if table.versioned_name not in self._epochs], whoever=True)
        return self.stand(tables)

    async def look_again(self, table: Table[Any]) -> None:
        """Look at a read model whose rows were changed by other hands than the projection's, and tell who watches."""
        await self._look([table], whoever=True)

    async def moved_from(self, tables: Sequence[Table[Any]], stand: Stand) -> None:
        """Return as soon as read models are known to stand otherwise. Unlike `wait`, this hurries no projection.

        Raises:
            NodeClosed: the node was closed meanwhile.
            StoreError: it cannot be looked up how they stand.
        """
        self._watched.update(tables)
        try:
            while self.stand(tables) == stand:
                await self._next_move(tables, whoever=True)
        finally:
            self._watched.subtract(tables)

    def hurry(self) -> None:
        """Note that somebody waits on another node, nobody knows for which read model."""
        self.hurries += 1
        self._asked.notify()

    def _hurry(self, tables: Iterable[Table[Any]], position: Position) -> None:
        """Have other nodes hurry with what they project, and what has not come so far."""
        late = (table for table in tables if table not in self._here and not self.has([table], position))
        for store in {store_of(self._store, table) for table in late}:
            if isinstance(store, SharedViewStore):
                store.hurry()

    async def linger(self, table: Table[Any], seconds: float, hurries: int) -> None:
        """Return after so many seconds, or as soon as somebody waits for the read model.

        Args:
            table: the read model's.
            seconds: how long at most.
            hurries: what `hurries` was before it was looked how far the history is; who came later waits yet.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while self._awaited[table] <= 0 and self.hurries == hurries:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await self._asked.wait(left)

    async def close(self) -> None:
        """Look no more. Whoever waits yet is told that the node is closed."""
        self._closed = True
        for watch in self._watches.values():
            watch.cancel()
        if self._watches:
            await asyncio.wait(self._watches.values())

    async def _next_move(
        self, tables: Sequence[Table[Any]], timeout: float | None = None, *, whoever: bool = False
    ) -> None:
        elsewhere = {table.store for table in tables if table not in self._here}
        watches = [self._watching(store) for store in elsewhere.union(table.store for table in tables if whoever)]
        if elsewhere:
            self._elsewhere.notify()
        await self._moved.wait(timeout)
        for watch in watches:
            if watch.done() and not watch.cancelled() and (error := watch.result()):
                raise error

    def _watching(self, store: str) -> asyncio.Task[StoreError | None]:
        if self._closed:
            raise NodeClosed()
        # One for each store, so that one that is away fails nobody who waits for another one's read models.
        watch = self._watches.get(store)
        if watch is None or watch.done():
            watch = asyncio.create_task(self._look_on(store), name="twofold-watch-read-models")
            self._watches[store] = watch
        return watch

    async def _look_on(self, store: str) -> StoreError | None:
        """Look how a store's read models stand that others project or change, for as long as somebody waits for them.

        Those that are projected here are looked at for those who watch them alone, and seldom.
        """
        seen = 0
        try:
            while wanted := self._wanted(store):
                if self._here.issuperset(wanted):
                    with contextlib.suppress(StoreError):
                        await self._look(wanted, whoever=True)
                    await self._elsewhere.wait(_SELDOM)
                    continue
                await self._look(wanted, whoever=True)
                self._moved.notify()
                seen = await self._store.changed(seen)
        except StoreError as error:
            return error
        finally:
            self._moved.notify()
        return None

    def _wanted(self, store: str) -> list[Table[Any]]:
        elsewhere = [table for table in +self._awaited if table not in self._here]
        return [table for table in {*elsewhere, *+self._watched} if table.store == store]

    def _not_fresh(self, table: Table[Any], position: Position, timeout: float) -> NotFresh:
        reached = self.reached(table)
        facts = {"model": table.name, "wanted": position, "reached": reached or 0, "timeout": timeout}
        if reached is None:
            building = f"read model {table.name} is still being built from the history after {timeout:g} s; "
            return NotFresh(building + "ask again, or see `twofold models` for its lag", **facts)
        return NotFresh(**facts)

    async def _look(self, tables: Iterable[Table[Any]], *, whoever: bool = False) -> None:
        for table in tables:
            if (whoever or table not in self._here) and await self._look_at(table):
                self._moved.notify()

    async def _look_at(self, table: Table[Any]) -> bool:
        """Look how a read model stands; tell whether it has moved, or its rows were changed by other hands."""
        shown = await self._store.standings(table)
        if not shown or not shown[0].live:
            return False
        positions, before = [each.checkpoint for each in shown], self._epochs.get(table.versioned_name, -1)
        self._epochs[table.versioned_name] = max(before, sum(each.epoch for each in shown))
        moved = self._note(table, *positions) if table.segments == 1 else self._note_segments(table, positions)
        return moved or self._epochs[table.versioned_name] != before
