"""Folding batches of events into rows: in memory, with what is stored already for a start."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from twofold.history.codec import Codec
from twofold.history.record import Position, Recorded
from twofold.message import Event, Metadata
from twofold.model import Delete, ReadModel, fold_of, row_keys, wants_metadata
from twofold.read.pace import Pace
from twofold.read.segment import segment_of
from twofold.read.store import Parked, ViewStore, Work
from twofold.read.table import Key, Row, Table

_KEYS_KEPT = 50_000
_FEW = 16
_ROWS_KEPT = 5_000
NO_KEY = "null"
"""What events are parked under that cannot tell their key."""


_log = logging.getLogger("twofold.read")


class Happening(msgspec.Struct, frozen=True, gc=False):
    """An event as a row meets it."""

    recorded: Recorded
    event: Event
    metadata: Metadata | None


class Touched:
    """The events of a batch for one row, and the key's values as the application knows them."""

    __slots__ = ("happenings", "values")

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values
        self.happenings: list[Happening] = []


_UNKNOWN = Touched(())
"""Stands for a row of which it is not known yet whether it is this segment's."""


class Folded(msgspec.Struct, frozen=True):
    """What a batch makes of the rows that it touches, None where it deletes them, and what could not be applied.

    Of a read model with SQL of its own, `work` does both.
    """

    rows: Mapping[Key, Row | None] = {}
    parked: Sequence[Parked] = ()
    work: Work | None = None


class Folding:
    """The fold of one read model, batch after batch; what it keeps in memory is what the store has, or soon will.

    Args:
        table: the read model's table.
        store: where its rows are loaded from.
        codec: the application's events.
        segment: of the table's segments, the one whose keys are folded.
    """

    def __init__(self, table: Table[Any], store: ViewStore, codec: Codec, segment: int = 0) -> None:
        self.table = table
        self._segment = segment
        self._pace = Pace()
        self._store = store
        self._codec = codec
        model: type[ReadModel] = table.model
        self._takes_metadata = fold_of(model).takes_metadata
        self._keys_of = row_keys(table.model)
        self._wants_metadata = wants_metadata(table.model)
        self._parked: dict[str, Position] = {}
        self._keys: dict[tuple[Any, ...], Key | None] = {}
        self._kept: OrderedDict[Key, Any] = OrderedDict()

    async def take_up(self) -> None:
        """Begin from what the store has."""
        self._kept.clear()
        self._parked = dict(await self._store.parked_keys(self.table))

    def forget(self) -> None:
        """Keep no rows: what was folded last was not stored. The next batch is folded from what the store has."""
        self._kept.clear()

    async def fold(self, batch: Sequence[Recorded], unsettled: Mapping[Key, Row | None]) -> Folded:
        """Return what a batch makes of the rows.

        Args:
            batch: the events.
            unsettled: the rows of the batch before, which may be on their way to the store yet.
        """
        touched: dict[Key, Touched] = {}
        known: dict[tuple[Any, ...], Touched | None] = {}
        parked: list[Parked] = []
        self._pace.begin()
        for start in range(0, len(batch), _FEW):
            self._distribute(batch[start : start + _FEW], touched, known, parked)
            if self._pace.is_due():
                await self._pace.pause()
        before = await self._load([key for key in touched if key not in self._kept], unsettled)
        rows: dict[Key, Row | None] = {}
        failed: list[Key] = []
        self._pace.begin()
        for key, work in touched.items():
            if not work.happenings:
                # The event that would have been the first for it could not tell its other keys.
                continue
            if self._parked and text_of(key) in self._parked:
                name = text_of(key)
                parked.extend(Parked(name, happening.recorded.position) for happening in work.happenings)
            elif not await self._fold_row(key, work, before, rows):
                failed.append(key)
        if failed:
            before = await self._load(failed, unsettled)
            for key in failed:
                self._fold_carefully(key, touched[key], before.get(key), rows, parked)
        for each in parked:
            self._parked.setdefault(each.key, each.position)
        while len(self._kept) > _ROWS_KEPT:
            self._kept.popitem(last=False)
        return Folded(rows, parked)

    @property
    def parked(self) -> int:
        """How many keys are parked."""
        return len(self._parked)

    async def _load(self, keys: Sequence[Key], unsettled: Mapping[Key, Row | None]) -> Mapping[Key, Row | None]:
        stored = [key for key in keys if key not in unsettled]
        loaded = await self._store.load(self.table, stored) if stored else {}
        return {**loaded, **{key: unsettled[key] for key in keys if key in unsettled}}

    def _distribute(
        self,
        few: Sequence[Recorded],
        touched: dict[Key, Touched],
        known: dict[tuple[Any, ...], Touched | None],
        parked: list[Parked],
    ) -> None:
        """Give events to the rows that they touch. `known` are the rows by key values, None those of other segments."""
        keys_of, happening_of, others = self._keys_of, self.happening, known.get
        for recorded in few:
            happening = happening_of(recorded)
            try:
                rows: list[Touched | None] = []
                for values in keys_of(happening.event, happening.metadata):
                    row = others(values, _UNKNOWN)
                    if row is _UNKNOWN:
                        row = known[values] = self._touch(values, touched)
                    if row not in rows:
                        rows.append(row)
            except Exception as error:  # noqa: BLE001 - the application's code; the event is parked with what it raised
                if self._segment == 0:
                    report_parked(self.table.name, recorded, error)
                    parked.append(Parked(NO_KEY, recorded.position, f"{type(error).__name__}: {error}"))
                continue
            for row in rows:
                if row is not None:
                    row.happenings.append(happening)

    def _touch(self, values: tuple[Any, ...], touched: dict[Key, Touched]) -> Touched | None:
        """Return the row of key values, None where another segment's fold takes it."""
        key = self._key(values)
        if key is None:
            return None
        return touched.setdefault(key, Touched(values))

    def _key(self, values: tuple[Any, ...]) -> Key | None:
        """Return key values as the table holds them; None where another segment's fold takes them."""
        try:
            return self._keys[values]
        except KeyError:
            key = self.table.key_of(values)
        if None in key:
            raise self._lacks_key()
        if len(self._keys) >= _KEYS_KEPT:
            self._keys.clear()
        is_here = segment_of(key, self.table.segments) == self._segment
        self._keys[values] = key if is_here else None
        return self._keys[values]

    async def _fold_row(
        self, key: Key, work: Touched, before: Mapping[Key, Row | None], rows: dict[Key, Row | None]
    ) -> bool:
        """Fold a row's events, keeping the instance for the next batch; False, and nothing kept, if one failed."""
        instance = self._kept.pop(key, None)
        try:
            if instance is None:
                row = before.get(key)
                instance = None if row is None else self.table.instance(row)
            evolve, is_due = self._evolve, self._pace.is_due
            for happening in work.happenings:
                instance = evolve(instance, work, happening)
                if is_due():
                    await self._pace.pause()
            rows[key] = None if instance is None else self._row(key, instance)
        except Exception:  # noqa: BLE001 - found again with care, where it is told which event it was
            return False
        if instance is not None:
            self._kept[key] = instance
        return True

    def _fold_carefully(
        self, key: Key, work: Touched, before: Row | None, rows: dict[Key, Row | None], parked: list[Parked]
    ) -> None:
        """Fold event by event up to the one that cannot be taken; park that one and those after it."""
        name, good = text_of(key), before
        for place, happening in enumerate(work.happenings):
            try:
                good = self.step(key, work.values, good, happening)
            except Exception as error:  # noqa: BLE001 - the application's code; it is parked with what it raised
                report_parked(self.table.name, happening.recorded, error)
                parked.append(Parked(name, happening.recorded.position, f"{type(error).__name__}: {error}"))
                parked.extend(Parked(name, later.recorded.position) for later in work.happenings[place + 1 :])
                break
            rows[key] = good

    def step(self, key: Key, values: tuple[Any, ...], before: Row | None, happening: Happening) -> Row | None:
        """Return what one event makes of a row; None is no row. Raises what the application's code raises."""
        instance = None if before is None else self.table.instance(before)
        instance = self._evolve(instance, Touched(values), happening)
        return None if instance is None else self._row(key, instance)

    def keys_of(self, happening: Happening) -> Mapping[Key, tuple[Any, ...]]:
        """Return the keys of all rows that an event touches, whatever their segment, with the application's values.

        Raises what the application's code raises.
        """
        found = {self.table.key_of(values): values for values in self._keys_of(happening.event, happening.metadata)}
        if any(None in key for key in found):
            raise self._lacks_key()
        return found

    def happening(self, recorded: Recorded) -> Happening:
        """Return an event as rows meet it."""
        return Happening(recorded, self._codec.decode(recorded), recorded.metadata if self._wants_metadata else None)

    def _evolve(self, instance: Any, work: Touched, happening: Happening) -> Any:
        """Fold one event into an instance, a fresh one if there is none; return None where its row is deleted."""
        if instance is None:
            instance = self.table.fresh(work.values)
        if self._takes_metadata:
            verdict = instance.evolve(happening.event, happening.metadata)
        else:
            verdict = instance.evolve(happening.event)
        if verdict is not None:
            if not isinstance(verdict, Delete):
                raise TypeError(f"expected evolve to return nothing or Delete(), found {type(verdict).__name__}")
            return None
        self.table.settle(instance)
        return instance

    def _row(self, key: Key, instance: Any) -> Row:
        row: Row = self.table.row(instance)
        if self.table.key_in(row) != key:
            raise ValueError("evolve changed the key of its row")
        return row

    def _lacks_key(self) -> TypeError:
        return TypeError(f"the key {', '.join(self.table.key)} is missing from the event")


def report_parked(name: str, recorded: Recorded, error: Exception) -> None:
    """Log that an event was parked: no key and no payload, they may be private."""
    _log.error(
        "%s parked a key at position %d (%s): %s", name, recorded.position, recorded.type, type(error).__name__
    )  # fmt: skip


def text_of(key: Key) -> str:
    """Return a key as it is parked: a JSON array of its values."""
    return msgspec.json.encode(key).decode()
