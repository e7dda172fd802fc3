"""Several view stores as one: each read model is kept in the store that its class names (`store="analytics"`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from twofold.errors import StoreError
from twofold.history.record import Position
from twofold.read.store import (
    Advance,
    Lease,
    Page,
    Parked,
    SegmentStatus,
    Standing,
    TableStatus,
    Unparked,
    Version,
    ViewStore,
)
from twofold.read.table import Key, Row, Table

OwnStore: TypeAlias = Callable[[], ViewStore | Awaitable[ViewStore]]
"""Opens a view store of the application's own; it is called by each node that opens."""

Views: TypeAlias = str | OwnStore | Mapping[str, str | OwnStore] | None
"""Where read models are kept: a URL, or URLs by the name of the store; beside the history where none is given."""

_PAUSE = 0.02
_BITS = 64


def store_of(store: ViewStore, table: Table[Any]) -> ViewStore:
    """Return the one store that a table is kept in."""
    return store.of(table) if isinstance(store, Stores) else store


class Stores:
    """Implements `ViewStore` over several: what is asked of a table is handed to the table's store.

    A store that cannot be reached holds up no other.

    Args:
        stores: the stores by name. The unnamed one is `""`; a store may have several names.
    """

    def __init__(self, stores: Mapping[str, ViewStore]) -> None:
        self._named = dict(stores)
        self._distinct = list(dict.fromkeys(self._named.values()))

    def of(self, table: Table[Any]) -> ViewStore:
        """Return the store that a table is kept in."""
        return self._named[table.store]

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """See `ViewStore.prepare`."""
        return await self.of(table).prepare(table, history_id)

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        """See `ViewStore.begin_spare`."""
        await self.of(table).begin_spare(table, history_id)

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        """See `ViewStore.begin_shadow`."""
        await self.of(table).begin_shadow(table, history_id)

    async def drop_shadow(self, table: Table[Any]) -> None:
        """See `ViewStore.drop_shadow`."""
        await self.of(table).drop_shadow(table)

    async def exchange(self, table: Table[Any]) -> bool:
        """See `ViewStore.exchange`."""
        return await self.of(table).exchange(table)

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        """See `ViewStore.standing`."""
        return await self.of(table).standing(table, segment)

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        """See `ViewStore.standings`."""
        return await self.of(table).standings(table)

    def lags(self, table: Table[Any]) -> bool:
        """See `ViewStore.lags`."""
        return self.of(table).lags(table)

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        """See `ViewStore.claim`."""
        return await self.of(table).claim(table, holder, seconds, segment)

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        """See `ViewStore.release`."""
        await self.of(table).release(table, holder, segment)

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """See `ViewStore.load`."""
        return await self.of(table).load(table, keys)

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """See `ViewStore.parked_keys`."""
        return await self.of(table).parked_keys(table)

    async def parked(self, table: Table[Any], key: str | None = None) -> Sequence[Parked]:
        """See `ViewStore.parked`."""
        return await self.of(table).parked(table, key)

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        """See `ViewStore.unpark`."""
        return await self.of(table).unpark(table, unparked)

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[Position, Sequence[Row]]:
        """See `ViewStore.rows_at`."""
        return await self.of(table).rows_at(table, keys, segment)

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """See `ViewStore.apply`."""
        return await self.of(table).apply(table, advance)

    async def checkpoint(self, table: Table[Any]) -> Position | None:
        """See `ViewStore.checkpoint`."""
        return await self.of(table).checkpoint(table)

    async def status(self, table: Table[Any]) -> TableStatus:
        """See `ViewStore.status`."""
        return await self.of(table).status(table)

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        """See `ViewStore.segments`."""
        return await self.of(table).segments(table)

    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        """See `ViewStore.versions`."""
        return await self.of(table).versions(table)

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """See `ViewStore.get`."""
        return await self.of(table).get(table, keys)

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """See `ViewStore.find`."""
        return await self.of(table).find(table, page)

    async def count(self, table: Table[Any], page: Page) -> int:
        """See `ViewStore.count`."""
        return await self.of(table).count(table, page)

    def dialect(self, table: Table[Any]) -> str:
        """See `ViewStore.dialect`."""
        return self.of(table).dialect(table)

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """See `ViewStore.sql`."""
        return await self.of(table).sql(table, text, values)

    async def changed(self, seen: int) -> int:
        """Return when something may have moved in any of the stores; see `ViewStore.changed`."""
        # What each store returned is kept in the number, so that nobody misses a hint that another caller had.
        before = [(seen >> (_BITS * place)) & (2**_BITS - 1) for place in range(len(self._distinct))]
        waiting = [
            asyncio.create_task(_changed(store, since), name="twofold-view-store-changed")
            for store, since in zip(self._distinct, before, strict=True)
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        after = [b if task.cancelled() else task.result() for task, b in zip(waiting, before, strict=True)]
        return sum(count << (_BITS * place) for place, count in enumerate(after))

    async def close(self) -> None:
        """Close all of them, whatever becomes of the others."""
        async with contextlib.AsyncExitStack() as stack:
            for store in self._distinct:
                stack.push_async_callback(store.close)


async def statuses_of(tables: Sequence[Table[Any]], store: ViewStore) -> tuple[list[TableStatus], dict[str, str]]:
    """Return how tables stand, and what is wrong with those of which it cannot be told, by the read model's name.

    Raises:
        StoreError: it can be told of none.
    """
    statuses: list[TableStatus] = []
    problems: dict[str, str] = {}
    for table in tables:
        try:
            statuses.append(await store.status(table))
        except StoreError as error:
            problems[table.name] = str(error)
            if len(problems) == len(tables):
                raise
            statuses.append(TableStatus(checkpoint=0, live=False, rows=0, parked=0))
    return statuses, problems


async def _changed(store: ViewStore, seen: int) -> int:
    try:
        return await store.changed(seen)
    except StoreError:
        # Whoever reads a table of this store is told; who waits for another one's goes on.
        await asyncio.sleep(_PAUSE)
        return seen
