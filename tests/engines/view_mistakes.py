"""Mistakes that a view store may make, each planted in the one that keeps everything in memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from twofold.engines.memory import MemoryViews
from twofold.engines.memory.views import _HOLDS
from twofold.history.record import Position
from twofold.history.signal import Signal
from twofold.read.range import Operator
from twofold.read.share import Attendance, Segment
from twofold.read.store import Advance, Lease, Page, SegmentStatus, Standing, TableStatus, Version
from twofold.read.table import Key, Row, Table
from twofold.read.words import Word

replace = msgspec.structs.replace


class AnyCheckpoint(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        expected = self._tables[table.versioned_name].checkpoint
        return await super().apply(table, replace(advance, expected=expected))


class ForwardOnly(MemoryViews):
    """Compares the checkpoints by size instead of equality."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        at = self._tables[table.versioned_name].checkpoint
        return await super().apply(table, replace(advance, expected=at if advance.expected >= at else -1))


class RowsFirst(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        kept = self._tables[table.versioned_name]
        kept.rows |= {table.key_in(row): row for row in advance.rows}
        return await super().apply(table, advance)


class ParksFirst(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        kept = self._tables[table.versioned_name]
        stored = await super().apply(table, advance)
        if not stored:
            kept.parked.extend(advance.parked)
        return stored


class RowByRow(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        kept = self._tables[table.versioned_name]
        if kept.checkpoint == advance.expected:
            for row in advance.rows:
                kept.rows[table.key_in(row)] = row
        return await super().apply(table, advance)


class CheckThenStore(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        if self._tables[table.versioned_name].checkpoint != advance.expected:
            return False
        await asyncio.sleep(0)
        expected = self._tables[table.versioned_name].checkpoint
        return await super().apply(table, replace(advance, expected=expected))


class NoCheckpoint(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        reached = advance.expected if advance.rows else advance.reached
        return await super().apply(table, replace(advance, reached=reached))


class RowsOnly(MemoryViews):
    """Moves no checkpoint where there is no row."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        reached = advance.reached if advance.rows or advance.live else advance.expected
        return await super().apply(table, replace(advance, reached=reached))


class Merging(MemoryViews):
    """Keeps what a new row leaves empty."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        rows = self._tables[table.versioned_name].rows
        merged = [
            tuple(b if a is None else a for a, b in zip(row, rows.get(table.key_in(row), row), strict=True))
            for row in advance.rows
        ]
        return await super().apply(table, replace(advance, rows=merged))


class FirstKeyFieldOnly(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        kept = self._tables[table.versioned_name]
        for row in advance.rows:
            for key in [k for k in kept.rows if k[0] == table.key_in(row)[0]]:
                del kept.rows[key]
        return await super().apply(table, advance)


class Truncating(MemoryViews):
    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        return await super().load(table, keys[:999])


class LoadsAll(MemoryViews):
    async def load(self, table: Table[Any], keys: Sequence[Key]) -> Mapping[Key, Row]:
        return dict(self._tables[table.versioned_name].rows)


class StartsAnew(MemoryViews):
    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        self._tables.pop(table.versioned_name, None)
        return await super().prepare(table, history_id)


class AnyHistory(MemoryViews):
    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        kept = self._tables.get(table.versioned_name)
        return await super().prepare(table, history_id if kept is None else kept.history_id)


class LiveAtOnce(MemoryViews):
    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        reached = await super().prepare(table, history_id)
        self._tables[table.versioned_name].live = True
        return reached


class OldNotLiveFromPreparing(MemoryViews):
    async def prepare(self, table: Table[Any], history_id: UUID) -> Position:
        for name, kept in self._tables.items():
            if name.startswith(table.live_name) and name != table.versioned_name:
                kept.live = False
        return await super().prepare(table, history_id)


class LiveOnlyOnce(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        stored = await super().apply(table, advance)
        self._tables[table.versioned_name].live = advance.live
        return stored


class BothLive(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        before = [kept for kept in self._tables.values() if kept.live]
        stored = await super().apply(table, advance)
        for kept in before:
            kept.live = True
        return stored


class OneLive(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        stored = await super().apply(table, advance)
        for name, kept in self._tables.items():
            kept.live = kept.live and (not advance.live or name == table.versioned_name)
        return stored


class DropsTheOld(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        stored = await super().apply(table, advance)
        for name, kept in self._tables.items():
            if advance.live and name.startswith(table.live_name) and name != table.versioned_name:
                kept.rows.clear()
        return stored


class TellsWhatIsLive(MemoryViews):
    async def versions(self, table: Table[Any]) -> Sequence[Version]:
        return [each for each in await super().versions(table) if each.live]


class NeverForgets(MemoryViews):
    """Takes a spare that was begun anew for what had been live before."""

    async def begin_spare(self, table: Table[Any], history_id: UUID) -> None:
        before = self._tables.get(table.spare.versioned_name)
        await super().begin_spare(table, history_id)
        self._tables[table.spare.versioned_name].was_live = before is not None and before.was_live


class ShadowAsSpare(MemoryViews):
    """Makes the shadow where the spare is."""

    async def begin_shadow(self, table: Table[Any], history_id: UUID) -> None:
        await super().begin_shadow(table, history_id)
        await self.begin_spare(table, history_id)


class ForgetsShadows(MemoryViews):
    """Begins each shadow under the epoch of the first one."""

    def _begin_anew(self, table: Table[Any], history_id: UUID, epoch: int = 0) -> None:
        super()._begin_anew(table, history_id)


class FirstSegmentTwice(MemoryViews):
    async def standings(self, table: Table[Any]) -> Sequence[Standing]:
        found = await super().standings(table)
        return [found[0] for _ in found]


class ShadowsStay(MemoryViews):
    async def drop_shadow(self, table: Table[Any]) -> None:
        pass


class LastParked(MemoryViews):
    async def parked_keys(self, table: Table[Any]) -> Mapping[str, Position]:
        return {parked.key: parked.position for parked in self._tables[table.versioned_name].parked}


class ParkedEvents(MemoryViews):
    async def status(self, table: Table[Any]) -> TableStatus:
        status = await super().status(table)
        kept = self._tables.get(table.versioned_name)
        return replace(status, parked=len(kept.parked)) if kept else status


class EmptyMatchesAll(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        return super()._matching(table, replace(page, equals=tuple(e for e in page.equals if e[1] is not None)))


class FirstFieldOnly(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        return super()._matching(table, replace(page, equals=page.equals[:1]))


class AnyCaseFound(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        wanted = {table.model.__struct_fields__.index(n): str(v).lower() for n, v in page.equals}
        rows = self._tables[table.versioned_name].rows.values()
        return [row for row in rows if all(str(row[n]).lower() == v for n, v in wanted.items())]


class DecimalsFoundAsText(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        wanted = [(table.model.__struct_fields__.index(name), value) for name, value in page.equals]
        rows = self._tables[table.versioned_name].rows.values()
        return [row for row in rows if all(row[place] == value for place, value in wanted)]


class NoRanges(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        return super()._matching(table, replace(page, ranges=()))


class BoundsLeftOut(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        strict: dict[str, Operator] = {">=": ">", "<=": "<"}
        spans = tuple((name, strict.get(sign, sign), bound) for name, sign, bound in page.ranges)
        return super()._matching(table, replace(page, ranges=spans))


class EmptyBelowAll(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        rows = super()._matching(table, page)
        below = {table.model.__struct_fields__.index(name) for name, sign, _ in page.ranges if sign in ("<", "<=")}
        rest = super()._matching(table, replace(page, ranges=()))
        return rows + [row for row in rest if any(row[place] is None for place in below)]


class DecimalRangesAsText(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        places = table.model.__struct_fields__
        rows = super()._matching(table, replace(page, ranges=()))
        for name, sign, bound in page.ranges:
            values = [(row[places.index(name)], row) for row in rows]
            rows = [row for value, row in values if value is not None and _HOLDS[sign](value, bound)]
        return rows


class SomeWords(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        return super()._matching(table, replace(page, words=page.words[:1]))


class WholeWordsOnly(MemoryViews):
    def _matching(self, table: Table[Any], page: Page) -> list[Row]:
        return super()._matching(table, replace(page, words=tuple(Word(word.text) for word in page.words)))


class OldWords(MemoryViews):
    """Does not take away the words that a row had before."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        if table.search and advance.expected:
            title = table.model.__struct_fields__.index("title")
            before = self._tables[table.versioned_name].rows
            rows = [(*row[:title], f"{row[title]!s} {before.get(row[:1], row)[title]!s}") for row in advance.rows]
            rest = [row[title + 1 :] for row in advance.rows]
            advance = replace(advance, rows=[(*one, *other) for one, other in zip(rows, rest, strict=True)])
        return await super().apply(table, advance)


class AlwaysAscending(MemoryViews):
    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        return await super().find(table, replace(page, order=tuple((name, False) for name, _ in page.order)))


class FirstOrderOnly(MemoryViews):
    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        after = None if page.after is None else page.after[:1]
        return await super().find(table, replace(page, order=page.order[:1], after=after))


class EmptyLast(MemoryViews):
    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        rows = list(await super().find(table, replace(page, limit=None, after=None)))
        place = [column.name for column in table.columns].index(page.order[0][0])
        return sorted(rows, key=lambda row: row[place] is None)[: page.limit]


class DecimalsAsText(MemoryViews):
    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        rows = list(await super().find(table, replace(page, limit=None, after=None)))
        places = [column.name for column in table.columns]
        for name, descending in reversed(page.order):
            place = places.index(name)
            rows.sort(key=lambda row: (row[place] is not None, row[place]), reverse=descending)
        return rows[: page.limit]


class NoLimitFound(MemoryViews):
    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        return await super().find(table, replace(page, limit=None))


class CountsAPage(MemoryViews):
    async def count(self, table: Table[Any], page: Page) -> int:
        return min(await super().count(table, page), 5)


class CountsAll(MemoryViews):
    async def count(self, table: Table[Any], page: Page) -> int:
        return await super().count(table, Page())


class AfterIncluded(MemoryViews):
    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        every = await super().find(table, replace(page, after=None, limit=None))
        later = await super().find(table, replace(page, limit=None))
        start = len(every) - len(later)
        return every[max(0, start - 1) if page.after is not None else 0 :][: page.limit]


class AfterByFirstField(MemoryViews):
    """Loses the ties that a page ends in."""

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        rows = await super().find(table, replace(page, limit=None))
        if page.after is not None:
            place = [column.name for column in table.columns].index(page.order[0][0])
            rows = [row for row in rows if row[place] != page.after[0]]
        return rows[: page.limit]


class AfterLosesEmpty(MemoryViews):
    """Compares with an empty field as SQL does: neither true nor false."""

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        rows = await super().find(table, replace(page, limit=None))
        if page.after is not None:
            place = [column.name for column in table.columns].index(page.order[0][0])
            rows = [row for row in rows if row[place] is not None and page.after[0] is not None]
        return rows[: page.limit]


class ByOffset(MemoryViews):
    """Counts rows instead of going on after the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = 0

    async def find(self, table: Table[Any], page: Page) -> Sequence[Row]:
        rows = await super().find(table, replace(page, after=None, limit=None))
        start = self.shown if page.after is not None else 0
        found = rows[start:][: page.limit]
        self.shown = start + len(found) - 1
        return found


class SqlWrites(MemoryViews):
    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        if "DELETE" in text or "UPDATE" in text:
            self._tables[table.versioned_name].rows.clear()
        return await super().sql(table, text, values)


class SqlIgnoresWrites(MemoryViews):
    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        return [] if ";" in text else await super().sql(table, text, values)


class SqlIgnoresMistakes(MemoryViews):
    async def sql(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        try:
            return await super().sql(table, text, values)
        except Exception:
            return []


class ShortFloats(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        rows = [tuple(float(f"{v:.7g}") if isinstance(v, float) else v for v in row) for row in advance.rows]
        return await super().apply(table, replace(advance, rows=rows))


class WholeSeconds(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        place = next((n for n, column in enumerate(table.columns) if column.name == "moment"), None)
        rows = [
            tuple(str(v)[:19] + str(v)[26:] if n == place else v for n, v in enumerate(row)) for row in advance.rows
        ]
        return await super().apply(table, replace(advance, rows=rows))


class EmptyTextIsNothing(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        optional = [column.optional for column in table.columns]
        rows = [tuple(None if v == "" and o else v for v, o in zip(row, optional, strict=True)) for row in advance.rows]
        return await super().apply(table, replace(advance, rows=rows))


class BytesAsText(MemoryViews):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        rows = [
            tuple(v.decode("utf-8", "replace").encode() if isinstance(v, bytes) else v for v in row)
            for row in advance.rows
        ]
        return await super().apply(table, replace(advance, rows=rows))


def now() -> float:
    return asyncio.get_running_loop().time()


class Held(msgspec.Struct):
    epoch: int = 0
    holder: str | None = None
    until: float = 0.0
    seconds: float = 0.0
    head: Position = 0


class Leasing(MemoryViews):
    """No mistake: keeps leases, as an engine for many nodes must, and knows the nodes."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[Segment, Held] = {}
        self._nodes: dict[str, tuple[Collection[str], float]] = {}
        self.hurries = Signal()

    def hurry(self) -> None:
        self.hurries.notify()

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        held, moment = self._of(table, segment), now()
        if held.holder not in (None, holder) and held.until > moment:
            return Lease(held.epoch, str(held.holder), mine=False, seconds=held.until - moment)
        held.epoch += held.holder != holder
        held.holder, held.until, held.seconds = holder, moment + seconds, seconds
        return Lease(held.epoch, holder, mine=True, seconds=seconds)

    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        if self._of(table, segment).holder == holder:
            self._of(table, segment).holder = None
            self._moved.notify()

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        self._nodes[node] = tables, now() + seconds

    async def leave(self, node: str) -> None:
        self._nodes.pop(node, None)
        self._moved.notify()

    async def attendance(self, node: str) -> Attendance:
        nodes = {name: tables for name, (tables, until) in self._nodes.items() if until > now()}
        held: dict[Segment, str | None] = {}
        ends = [until for name, (_, until) in self._nodes.items() if name in nodes and name != node]
        for table, kept in self._tables.items():
            for segment in (Segment(table, number) for number in range(len(kept.segments))):
                lease = self._held.get(segment, Held())
                held[segment] = lease.holder if lease.until > now() else None
                ends += [lease.until] if held[segment] not in (None, node) else []
        return Attendance(nodes, held, min(ends, default=math.inf) - now())

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        held = self._of(table, advance.segment)
        stored = advance.epoch == held.epoch and await super().apply(table, replace(advance, epoch=0))
        if stored:
            held.head = advance.head
            held.until = now() + held.seconds if held.holder is not None else held.until
        return stored

    async def status(self, table: Table[Any]) -> TableStatus:
        held = self._of(table)
        holder = held.holder if held.until > now() else None
        return replace(await super().status(table), holder=holder, head=held.head)

    async def segments(self, table: Table[Any]) -> Sequence[SegmentStatus]:
        found = [self._of(table, number) for number in range(table.segments)]
        holders = [held.holder if held.until > now() else None for held in found]
        return [replace(each, holder=holders[number]) for number, each in enumerate(await super().segments(table))]

    def _of(self, table: Table[Any], segment: int = 0) -> Held:
        return self._held.setdefault(Segment(table.versioned_name, segment), Held())


class AnyEpoch(Leasing):
    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        return await super().apply(table, replace(advance, epoch=self._of(table, advance.segment).epoch))


class SameEpoch(Leasing):
    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        lease = await super().claim(table, holder, seconds)
        self._of(table).epoch = 0
        return replace(lease, epoch=0)


class NewEpochs(Leasing):
    """Counts renewals as takeovers."""

    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        if self._of(table).holder == holder:
            self._of(table).epoch += 1
        return await super().claim(table, holder, seconds)


class OpenToAll(Leasing):
    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        self._of(table).until = 0
        return await super().claim(table, holder, seconds)


class ReleasesAny(Leasing):
    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        self._of(table).holder = None


class NeverFree(Leasing):
    async def release(self, table: Table[Any], holder: str, segment: int = 0) -> None:
        pass


class NeverEnds(Leasing):
    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        return await super().claim(table, holder, seconds or 60)


class LookThenTake(Leasing):
    async def claim(self, table: Table[Any], holder: str, seconds: float, segment: int = 0) -> Lease:
        is_free = self._of(table).holder is None
        await asyncio.sleep(0)
        if is_free:
            self._of(table).holder = None
        return await super().claim(table, holder, seconds)


class HereForEver(Leasing):
    """Never forgets a node."""

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        await super().attend(node, tables, math.inf)


class LeavesNobody(Leasing):
    async def leave(self, node: str) -> None:
        pass


class LeavesWithAll(Leasing):
    async def leave(self, node: str) -> None:
        self._nodes.clear()


class OldTables(Leasing):
    """Keeps what a node said first of what it can project."""

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        await super().attend(node, self._nodes.get(node, (tables,))[0], seconds)


class OneLeaseForAll(Leasing):
    """Keeps one lease a table."""

    def _of(self, table: Table[Any], segment: int = 0) -> Held:
        return super()._of(table)


class HoldersForEver(Leasing):
    """Shows leases that have run out as held."""

    async def attendance(self, node: str) -> Attendance:
        found = await super().attendance(node)
        return replace(found, held={each: self._held.get(each, Held()).holder for each in found.held})


class NothingEnds(Leasing):
    """Does not tell when a lease runs out."""

    async def attendance(self, node: str) -> Attendance:
        return replace(await super().attendance(node), seconds=math.inf)


class NoHints(MemoryViews):
    async def changed(self, seen: int) -> int:
        await asyncio.wait_for(asyncio.Event().wait(), 0.05)
        return seen
