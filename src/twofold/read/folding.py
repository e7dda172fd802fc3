"""Folding batches of events into rows: in memory, with what is stored already for a start."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from operator import itemgetter
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
        self._is_here = lru_cache(_KEYS_KEPT)(self._belongs_here) if table.segments > 1 else _always
        self._kept: dict[Key, Any] = {}

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
        touched: dict[Key, list[Happening]] = {}
        parked: list[Parked] = []
        self._pace.begin()
        for start in range(0, len(batch), _FEW):
            self._distribute(batch[start : start + _FEW], touched, parked)
            if self._pace.is_due():
                await self._pace.pause()
        # In the order of the keys a database finds its pages in half the time.
        touched = dict(sorted(touched.items(), key=itemgetter(0)))
        before = await self._load([key for key in touched if key not in self._kept], unsettled)
        rows: dict[Key, Row | None] = {}
        failed: list[Key] = []
        self._pace.begin()
        keys = self._unparked(touched, parked)
        for some in (keys[start : start + _FEW] for start in range(0, len(keys), _FEW)):
            try:
                rows.update(await self._fold_rows(some, touched, before))
            except Exception:  # noqa: BLE001 - found again with care, where it is told which event it was
                failed.extend(some)
        if failed:
            before = await self._load(failed, unsettled)
            for key in failed:
                self._fold_carefully(key, touched[key], before.get(key), rows, parked)
        for each in parked:
            self._parked.setdefault(each.key, each.position)
        for key in list(islice(self._kept, max(len(self._kept) - _ROWS_KEPT, 0))):
            del self._kept[key]
        return Folded(rows, parked)

    @property
    def parked(self) -> int:
        """How many keys are parked."""
        return len(self._parked)

    async def _load(self, keys: Sequence[Key], unsettled: Mapping[Key, Row | None]) -> Mapping[Key, Row | None]:
        stored = [key for key in keys if key not in unsettled]
        loaded = await self._store.load(self.table, stored) if stored else {}
        return {**loaded, **{key: unsettled[key] for key in keys if key in unsettled}}

    def _distribute(self, few: Sequence[Recorded], touched: dict[Key, list[Happening]], parked: list[Parked]) -> None:
        """Give events to the rows that they touch, as far as those are this segment's."""
        for recorded in few:
            happening = self.happening(recorded)
            try:
                keys = self.keys_of(happening)
            except Exception as error:  # noqa: BLE001 - the application's code; the event is parked with what it raised
                if self._segment == 0:
                    report_parked(self.table.name, recorded, error)
                    parked.append(Parked(NO_KEY, recorded.position, f"{type(error).__name__}: {error}"))
                continue
            for key in keys:
                happenings = touched.get(key)
                if happenings is not None:
                    happenings.append(happening)
                elif self._is_here(key):
                    touched[key] = [happening]

    def _belongs_here(self, key: Key) -> bool:
        return segment_of(key, self.table.segments) == self._segment

    def _unparked(self, touched: Mapping[Key, Sequence[Happening]], parked: list[Parked]) -> list[Key]:
        """Return the keys of rows that may be folded; the events of the others are parked."""
        if not self._parked:
            return list(touched)
        keys: list[Key] = []
        for key, happenings in touched.items():
            name = text_of(key)
            if name in self._parked:
                parked.extend(Parked(name, happening.recorded.position) for happening in happenings)
            else:
                keys.append(key)
        return keys

    async def _fold_rows(
        self, keys: Sequence[Key], touched: Mapping[Key, Sequence[Happening]], before: Mapping[Key, Row | None]
    ) -> dict[Key, Row | None]:
        """Fold the events of some rows, keeping the instances for the next batch; nothing is kept if one failed."""
        instances = self._instances(keys, before)
        evolve, is_due = self._evolve, self._pace.is_due
        for key in keys:
            instance = instances.get(key)
            for happening in touched[key]:
                instance = evolve(instance, key, happening)
                if is_due():
                    await self._pace.pause()
            instances[key] = instance
        left = {key: instance for key, instance in instances.items() if instance is not None}
        rows: dict[Key, Row | None] = dict.fromkeys(keys)
        for key, row in zip(left, self.table.rows(left.values()), strict=True):
            self._check_key(key, row)
            rows[key] = row
        self._kept.update(left)
        return rows

    def _instances(self, keys: Sequence[Key], before: Mapping[Key, Row | None]) -> dict[Key, Any]:
        found = {key: self._kept.pop(key) for key in keys if key in self._kept}
        stored = {key: row for key in keys if (row := before.get(key)) is not None}
        found.update(zip(stored, self.table.instances(list(stored.values())), strict=True))
        return found

    def _fold_carefully(
        self,
        key: Key,
        happenings: Sequence[Happening],
        before: Row | None,
        rows: dict[Key, Row | None],
        parked: list[Parked],
    ) -> None:
        """Fold event by event up to the one that cannot be taken; park that one and those after it."""
        name, good = text_of(key), before
        for place, happening in enumerate(happenings):
            try:
                good = self.step(key, good, happening)
            except Exception as error:  # noqa: BLE001 - the application's code; it is parked with what it raised
                report_parked(self.table.name, happening.recorded, error)
                parked.append(Parked(name, happening.recorded.position, f"{type(error).__name__}: {error}"))
                parked.extend(Parked(name, later.recorded.position) for later in happenings[place + 1 :])
                break
            rows[key] = good

    def step(self, key: Key, before: Row | None, happening: Happening) -> Row | None:
        """Return what one event makes of a row; None is no row. Raises what the application's code raises."""
        instance = None if before is None else self.table.instance(before)
        instance = self._evolve(instance, key, happening)
        return None if instance is None else self._row(key, instance)

    def keys_of(self, happening: Happening) -> Collection[Key]:
        """Return the keys of all rows that an event touches, whatever their segment, each once.

        Raises what the application's code raises.
        """
        keys = list(map(self.table.key_of, self._keys_of(happening.event, happening.metadata)))
        for key in keys:
            if None in key:
                raise TypeError(f"the key {', '.join(self.table.key)} is missing from the event")
        return keys if len(keys) == 1 else dict.fromkeys(keys)

    def happening(self, recorded: Recorded) -> Happening:
        """Return an event as rows meet it."""
        return Happening(recorded, self._codec.decode(recorded), recorded.metadata if self._wants_metadata else None)

    def _evolve(self, instance: Any, key: Key, happening: Happening) -> Any:
        """Fold one event into an instance, a fresh one if there is none; return None where its row is deleted."""
        if instance is None:
            instance = self.table.fresh(key)
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
        self._check_key(key, row)
        return row

    def _check_key(self, key: Key, row: Row) -> None:
        if self.table.key_in(row) != key:
            raise ValueError("evolve changed the key of its row")


def _always(_: Key) -> bool:
    return True


def report_parked(name: str, recorded: Recorded, error: Exception) -> None:
    """Log that an event was parked: no key and no payload, they may be private."""
    _log.error(
        "%s parked a key at position %d (%s): %s", name, recorded.position, recorded.type, type(error).__name__
    )  # fmt: skip


def text_of(key: Key) -> str:
    """Return a key as it is parked: a JSON array of its values."""
    return msgspec.json.encode(key).decode()
