"""Read models in memory, gone with the process."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cmp_to_key
from typing import Any
from uuid import UUID

import apsw

from twofold.clock import new_epoch
from twofold.engines.memory.batch import BatchTables
from twofold.errors import HistoryMismatch, InvalidFilter
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.column import Scalar
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
    Work,
)
from twofold.read.table import Key, Row, Table
from twofold.read.words import has

_READING = frozenset((apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE))
_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt,
}  # fmt: skip
_POLL = 0.02


def _only_reading(operation: int, *_: str | None) -> int:
    return apsw.SQLITE_OK if operation in _READING else apsw.SQLITE_DENY


class _Segment:
    def __init__(self) -> None:
        self.checkpoint: Position = 0
        self.epoch = 0
        self.ready = False


class _Kept:
    def __init__(self, history_id: UUID, table: Table[Any]) -> None:
        self.history_id = history_id
        self.rows: dict[Key, Row] = {}
        self.live = False
        self.was_live = False
        self.shape = table.shape
        self.parked: list[Parked] = []
        self.segments = [_Segment() for _ in range(table.segments)]
        self.tables: BatchTables | None = None

    @property
    def checkpoint(self) -> Position:
        return min(segment.checkpoint for segment in self.segments)

    def go_live(self) -> None:
        self.live = self.was_live = True

    def end_live(self) -> None:
        for segment in self.segments:
            segment.ready = segment.ready and not self.live
        self.live = False

    def begin_epoch(self, epoch: int) -> None:
        for segment in self.segments:
            segment.epoch = epoch

    @property
    def next_epoch(self) -> int:
        return 1 + max(segment.epoch for segment in self.segments)


class MemoryViews:
    """Implements `twofold.read.store.ViewStore`; what it does is what every engine must do."""

    def __init__(self) -> None:
        self._tables: dict[str, _Kept] = {}
        self._moved = Signal()

    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        """Make the table where there is none; see `ViewStore.prepare`."""
        kept = self._tables.setdefault(table.versioned_name, _Kept(history_id, table))
        if kept.history_id != history_id:
            raise HistoryMismatch(model=table.name, problem=f"it was made from history {kept.history_id}")
        return kept.checkpoint

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        """Make the spare anew; see `ViewStore.begin_spare`."""
        self._begin_anew(table.spare, history_id)

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        """Make the shadow anew."""
        self._begin_anew(table.shadow, history_id, new_epoch())

    async def drop_shadow(self, table: Table[Any]) -> None:
        """Drop the shadow."""
        self._tables.pop(table.shadow.versioned_name, None)

    async def exchange(self, table: Table[Any]) -> bool:
        """Exchange the table and its spare; see `ViewStore.exchange`."""
        kept, spare = (self._tables.get(each.versioned_name) for each in (table, table.spare))
        if kept is None or spare is None or not kept.live:
            return False
        pairs = zip(spare.segments, kept.segments, strict=True)
        if not all(one.ready and one.checkpoint >= other.checkpoint for one, other in pairs):
            return False
        epoch = max(kept.next_epoch, spare.next_epoch)
        for each in (kept, spare):
            each.begin_epoch(epoch)
        kept.end_live()
        spare.go_live()
        self._tables |= {table.versioned_name: spare, table.spare.versioned_name: kept}
        self._moved.notify()
        return True

    async def standing(self, table: Table[Any], segment: int = 0) -> Standing | None:
        """Return where a segment stands."""
        found = await self.standings(table)
        return found[segment] if found else None

    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        """Return where each segment stands."""
        kept = self._tables.get(table.versioned_name)
        segments = [] if kept is None else kept.segments
        return [Standing(each.checkpoint, each.epoch, each.ready, kept is not None and kept.live) for each in segments]

    def lags(self, table: Table[Any]) -> bool:
        """Tell that queries see at once what was stored."""
        return False

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        """Give everybody the same lease: the checkpoint keeps them apart."""
        return Lease(self._tables[table.versioned_name].segments[segment].epoch, holder, mine=True)

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        """Do nothing: there is nothing to give up."""

    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        """Return rows by key."""
        rows = self._tables[table.versioned_name].rows
        return {key: rows[key] for key in keys if key in rows}

    async def rows_at(self, table: Table[Any], keys: Sequence[Key], segment: int = 0) -> tuple[Position, Sequence[Row]]:
        """Return rows and the checkpoint."""
        return self._tables[table.versioned_name].segments[segment].checkpoint, await self.get(table, keys)

    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        """Return the parked keys."""
        first: dict[str, Position] = {}
        for parked in self._tables[table.versioned_name].parked:
            first.setdefault(parked.key, parked.position)
        return first

    async def parked(self, table: Table[Any], key: str | None = None) -> Sequence[Parked]:
        """Return the parked events."""
        found = [each for each in self._tables[table.versioned_name].parked if key in (None, each.key)]
        return sorted(found, key=lambda each: (each.position, each.key))

    async def unpark(self, table: Table[Any], unparked: Unparked) -> bool:
        """Forget a key's parked events; see `ViewStore.unpark`."""
        kept = self._tables[table.versioned_name]
        if [each.position for each in await self.parked(table, unparked.key)] != list(unparked.positions):
            return False
        await _work(table, kept, unparked.work)
        kept.parked = [each for each in kept.parked if each.key != unparked.key]
        _store(table, kept, unparked.rows, unparked.deleted)
        kept.begin_epoch(kept.next_epoch)
        self._moved.notify()
        return True

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        """Store a batch; see `ViewStore.apply`."""
        kept = self._tables[table.versioned_name]
        segment = kept.segments[advance.segment]
        if (segment.checkpoint, segment.epoch) != (advance.expected, advance.epoch):
            return False
        parked = [*advance.parked, *await _work(table, kept, advance.work)]
        _store(table, kept, advance.rows, advance.deleted)
        kept.parked.extend(parked)
        segment.checkpoint = advance.reached
        segment.ready = segment.ready or advance.live
        if advance.live and not table.is_spare and not kept.live and all(each.ready for each in kept.segments):
            for name, other in self._tables.items():
                if name.rpartition("__")[0] == table.live_name:
                    other.end_live()
            kept.go_live()
        self._moved.notify()
        return True

    async def checkpoint(self, table: Table[Any]) -> Position | None:
        """Return the checkpoint while the table is live."""
        kept = self._tables.get(table.versioned_name)
        return kept.checkpoint if kept is not None and kept.live else None

    async def changed(self, seen: int) -> int:
        """Return at the next batch, or after 20 ms."""
        return await self._moved.since(seen, _POLL)

    async def status(self, table: Table[Any]) -> TableStatus:
        """Return how the table stands."""
        kept = self._tables.get(table.versioned_name)
        if kept is None:
            return TableStatus(checkpoint=0, live=False, rows=0, parked=0)
        return TableStatus(kept.checkpoint, kept.live, len(kept.rows), len({each.key for each in kept.parked}))

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        """Return how each segment stands."""
        kept = self._tables.get(table.versioned_name)
        return [] if kept is None else [SegmentStatus(segment.checkpoint) for segment in kept.segments]

    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        """Return what is kept under a live name; nothing is ever dropped."""
        parted = [(name.rpartition("__"), kept) for name, kept in self._tables.items()]
        return [
            Version(version, kept.shape, kept.checkpoint, kept.live, kept.was_live)
            for (live_name, _, version), kept in parted
            if live_name == table.live_name
        ]

    async def get(self, table: Table[Any], keys: Sequence[Key]) -> Sequence[Row]:
        """Return the rows that have these keys."""
        return list((await self.load(table, keys)).values())

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        """Return a page of rows."""
        columns = _places(table, [name for name, _ in page.order])
        numbers = [table.column(name).kind == "decimal" for name, _ in page.order]

        def order_of(row: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(row[place] for place in columns)

        def compare(one: tuple[Any, ...], other: tuple[Any, ...]) -> int:
            for a, b, number, (_, descending) in zip(one, other, numbers, page.order, strict=True):
                if number:
                    a, b = (value if value is None else Decimal(value) for value in (a, b))
                if a != b:
                    a_first = a is None or (b is not None and a < b)
                    return 1 if a_first == descending else -1
            return 0

        def compare_rows(one: Row, other: Row) -> int:
            return compare(order_of(one), order_of(other))

        rows = sorted(self._matching(table, page), key=cmp_to_key(compare_rows))
        if page.after is not None:
            rows = [row for row in rows if compare(order_of(row), page.after) > 0]
        return rows[: page.limit]

    async def count(self, table: Table[Any], page: Page) -> int:
        """Count rows."""
        return len(self._matching(table, page))

    def dialect(self, table: Table[Any]) -> str:
        """Return SQLAlchemy's name for the SQL of this engine."""
        return "sqlite"

    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return what a SELECT finds, in a copy of the rows made for it."""
        connection = apsw.Connection(":memory:")
        try:
            names = ", ".join(f'"{column.name}"' for column in table.columns)
            connection.execute(f'CREATE TABLE "{table.live_name}" ({names})')
            marks = ", ".join("?" * len(table.columns))
            rows = self._tables[table.versioned_name].rows.values()
            connection.executemany(f'INSERT INTO "{table.live_name}" VALUES ({marks})', rows)
            connection.authorizer = _only_reading
            return list(connection.execute(f'SELECT {names} FROM "{table.live_name}" {text}', dict(values)))
        except (apsw.Error, KeyError) as error:
            raise InvalidFilter(model=table.name, problem=f"the SQL text is refused: {error}") from error
        finally:
            connection.close()

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _begin_anew(self, table: Table[Any], history_id: UUID, epoch: int = 0) -> None:
        before = self._tables.get(table.versioned_name)
        kept = self._tables[table.versioned_name] = _Kept(history_id, table)
        kept.begin_epoch(max(epoch, 0 if before is None else before.next_epoch))

    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        rows: list[Row] = list(self._tables[table.versioned_name].rows.values())
        for name, value in page.equals:
            place, is_decimal = _places(table, [name])[0], table.column(name).kind == "decimal"
            rows = [row for row in rows if _number(row[place], is_decimal) == _number(value, is_decimal)]
        for name, sign, bound in page.ranges:
            place, is_decimal, holds = _places(table, [name])[0], table.column(name).kind == "decimal", _HOLDS[sign]
            limit = _number(bound, is_decimal)
            rows = [row for row in rows if row[place] is not None and holds(_number(row[place], is_decimal), limit)]
        return [row for row in rows if has(table.words(row), page.words)] if page.words else rows


async def _work(table: Table[Any], kept: _Kept, work: Work | None) -> Sequence[Parked]:
    if work is None:
        return ()
    kept.tables = kept.tables or BatchTables(table)
    parked, rows = await kept.tables.run(work)
    kept.rows = {table.key_in(row): row for row in rows}
    return parked


def _store(table: Table[Any], kept: _Kept, rows: Sequence[Row], deleted: Sequence[Key]) -> None:
    kept.rows |= {table.key_in(row): row for row in rows}
    for key in deleted:
        kept.rows.pop(key, None)


def _number(value: Scalar, is_decimal: bool) -> Scalar | Decimal:
    return Decimal(str(value)) if is_decimal and value is not None else value


def _places(table: Table[Any], names: Sequence[str]) -> list[int]:
    places = {column.name: place for place, column in enumerate(table.columns)}
    return [places[name] for name in names]
