"""Comparing a live read model with a table that was filled beside it, row by row, while the live one goes on (R3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from twofold.errors import CannotVerify
from twofold.history.codec import Codec
from twofold.history.record import Position
from twofold.history.store import History
from twofold.read.folding import Folding, text_of
from twofold.read.segment import segment_of
from twofold.read.store import Page, ViewStore
from twofold.read.table import Key, Row, Table

_PAGE = 1_000
_TRIES = 3
_LOOKS = 100

Kind: TypeAlias = Literal["differing", "missing", "surplus"]


class Difference(msgspec.Struct, frozen=True):
    """A live row that is not what the history makes of it: `missing`, `surplus`, or `differing` in these fields.

    `key` is a JSON array of the key's values.
    """

    key: str
    kind: Kind
    fields: Sequence[str] = ()


class Compared(msgspec.Struct, frozen=True):
    """What a comparison found: so many live `rows` were looked at, and all keys but those `parked` compared.

    Each row was compared as of the live read model's own checkpoint, none of them before `position`.
    """

    model: str
    rows: int
    position: Position
    parked: int
    differences: Sequence[Difference]

    def count(self, kind: Kind) -> int:
        """Count the differences of a kind."""
        return sum(difference.kind == kind for difference in self.differences)


class Comparison:
    """Compares every row of a live table with one that is filled from the same history.

    A row that differs is read again, together with the checkpoint that it belongs to, and the other one is folded on to
    just there. So a read model that moves differs from nothing but what is wrong in it. What SQL of its own makes of a
    single row nobody can tell: of such a read model the other table is filled on, until both are met at one position.

    Args:
        live: the live table.
        store: where it is.
        shadow: the other table.
        shadow_store: where that is.
        fill: brings the other table to a position; it never stands beyond the live one.
        history: the events.
        codec: the application's events.
    """

    def __init__(
        self,
        live: Table[Any],
        store: ViewStore,
        shadow: Table[Any],
        shadow_store: ViewStore,
        fill: Callable[[Position], Awaitable[None]],
        history: History,
        codec: Codec,
    ) -> None:
        self._live, self._store = live, store
        self._shadow, self._shadow_store = shadow, shadow_store
        self._fill = fill
        self._history = history
        self._folding = Folding(live, store, codec)
        self._selection = live.selection
        self._filled: Position = 0

    async def run(self) -> Compared:
        """Compare all rows.

        Raises:
            CannotVerify: it has SQL of its own, and moves all the time.
            StoreError: a store or the history cannot be read.
            Exception: what filling the other table raises.
        """
        rows, position, found = 0, await self._bring_up(), list[Difference]()
        async for page in _pages(self._store, self._live):
            await self._bring_up()
            rows += len(page)
            there = await self._shadow_store.load(self._shadow, list(page))
            found += await self._judged([key for key, row in page.items() if not self._same(row, there.get(key))])
        # What only the other one has, the first pass has not met.
        async for page in _pages(self._shadow_store, self._shadow):
            here = {self._live.key_in(tuple(row)) for row in await self._store.get(self._live, list(page))}
            found += await self._judged([key for key in page if key not in here])
        parked = await self._store.parked_keys(self._live)
        return Compared(self._live.name, rows, position, len(parked), _once(found))

    async def _bring_up(self) -> Position:
        """Bring the other table to where the live one is."""
        checkpoint = min(segment.checkpoint for segment in await self._store.segments(self._live))
        if checkpoint > self._filled or not self._filled:
            await self._fill(checkpoint)
            self._filled = checkpoint
        return self._filled

    async def _judged(self, keys: Sequence[Key]) -> list[Difference]:
        """Return which of the rows are wrong, at each of several looks: one may hit a key while it is taken up."""
        found: list[Difference] = []
        for _ in range(_TRIES):
            if not keys:
                return []
            await self._bring_up()
            by_key = await self._look_again(keys)
            keys, found = list(by_key), list(by_key.values())
        return found

    async def _look_again(self, keys: Sequence[Key]) -> dict[Key, Difference]:
        found: dict[Key, Difference] = {}
        for segment in range(self._live.segments):
            mine = [key for key in keys if segment_of(key, self._live.segments) == segment]
            if not mine:
                continue
            parked = set(await self._store.parked_keys(self._live))
            checkpoint, rows = await self._rows(mine, segment)
            parked |= set(await self._store.parked_keys(self._live))
            here = {self._live.key_in(tuple(row)): row for row in rows}
            wanted = await self._folded_to(checkpoint, mine)
            for key in mine:
                difference = self._difference(key, here.get(key), wanted[key])
                if difference is not None and difference.key not in parked:
                    found[key] = difference
        return found

    async def _rows(self, keys: Sequence[Key], segment: int) -> tuple[Position, Sequence[Row]]:
        """Return live rows with their checkpoint; of a read model with SQL of its own, where the other table stands."""
        for _ in range(_LOOKS):
            checkpoint, rows = await self._store.rows_at(self._live, keys, segment)
            if not self._live.is_batch or checkpoint == self._filled:
                return checkpoint, rows
            await self._bring_up()
        raise CannotVerify(model=self._live.name, problem="it never stands still: try again under less load")

    async def _folded_to(self, checkpoint: Position, keys: Sequence[Key]) -> dict[Key, Row | None]:
        """Return what the history makes of the rows, up to a checkpoint."""
        there = await self._shadow_store.load(self._shadow, keys)
        rows: dict[Key, Row | None] = {key: there.get(key) for key in keys}
        stopped = set(await self._shadow_store.parked_keys(self._shadow))
        going = {key for key in keys if text_of(key) not in stopped}
        if checkpoint > self._filled:
            async for batch in self._history.read(self._selection, after=self._filled, until=checkpoint):
                for recorded in batch:
                    self._fold(self._folding.happening(recorded), rows, going)
        return rows

    def _fold(self, happening: Any, rows: dict[Key, Row | None], going: set[Key]) -> None:
        try:
            touched = self._folding.keys_of(happening)
        except Exception:  # noqa: BLE001 - the application's code; such an event belongs to no row
            return
        for key in touched:
            if key in going:
                try:
                    rows[key] = self._folding.step(key, rows[key], happening)
                except Exception:  # noqa: BLE001 - the application's code; the row ends here, as in a projection
                    going.discard(key)

    def _difference(self, key: Key, live: Sequence[Any] | None, wanted: Sequence[Any] | None) -> Difference | None:
        if self._same(live, wanted):
            return None
        if live is None or wanted is None:
            return Difference(text_of(key), "missing" if live is None else "surplus")
        names = [column.name for column in self._live.columns]
        pairs = zip(names, self._plain(live), self._plain(wanted), strict=True)
        return Difference(text_of(key), "differing", [name for name, one, other in pairs if not _equal(one, other)])

    def _same(self, one: Sequence[Any] | None, other: Sequence[Any] | None) -> bool:
        if one is None or other is None:
            return one is other
        return tuple(one) == tuple(other) or _equal(self._plain(one), self._plain(other))

    def _plain(self, row: Sequence[Any]) -> Row:
        """Return a row in the form that is sent to a database: what comes back may be another text of the same."""
        return self._live.row(self._live.instance(row))


def _equal(one: Any, other: Any) -> bool:
    # Not-a-number is not equal to itself.
    return bool(one == other) or repr(one) == repr(other)


def _once(found: Sequence[Difference]) -> list[Difference]:
    return list({difference.key: difference for difference in found}.values())


async def _pages(store: ViewStore, table: Table[Any]) -> AsyncIterator[Mapping[Key, Row]]:
    """Yield all rows by key, page by page, in the order of their keys."""
    order = tuple((name, False) for name in table.key)
    last: Key | None = None
    while True:
        rows = [tuple(row) for row in await store.find(table, Page(order=order, after=last, limit=_PAGE))]
        if not rows:
            return
        yield {table.key_in(row): row for row in rows}
        last = table.key_in(rows[-1])
