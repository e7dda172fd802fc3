"""The projection loop, once and for all: read a batch, fold it into rows, store rows and checkpoint together."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from twofold.errors import HistoryMismatch, StoreError, TwofoldError
from twofold.history.boundary import Criterion, Selection
from twofold.history.codec import Codec
from twofold.history.record import Position, Recorded
from twofold.history.store import History
from twofold.message import Event, Metadata
from twofold.model import ReadModel, fold_of, row_keys, wants_metadata
from twofold.read.freshness import Freshness
from twofold.read.store import Advance, Parked, ViewStore
from twofold.read.table import Key, Row, Table

_LINGER = 0.005
_LINGER_BUSY = 0.02
_BUSY = 16
_SLICE = 500
_KEYS_KEPT = 50_000
_ROWS_KEPT = 5_000
_PAUSES = (0.05, 0.2, 1.0, 5.0)
_NO_KEY = "null"
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


class Projector:
    """Keeps one read model up to date.

    Args:
        table: the read model's table.
        history: the events.
        store: where the rows are kept.
        codec: the application's events.
        freshness: is told how far the read model has come.
    """

    def __init__(
        self, table: Table[Any], history: History, store: ViewStore, codec: Codec, freshness: Freshness
    ) -> None:
        self.table = table
        self.problem: str | None = None
        self._history = history
        self._store = store
        self._codec = codec
        self._freshness = freshness
        model: type[ReadModel] = table.model
        self._fold = fold_of(model)
        self._keys_of = row_keys(table.model)
        self._wants_metadata = wants_metadata(table.model)
        self._selection = Selection((Criterion(types=table.event_names),))
        self._checkpoint: Position = 0
        self._live = False
        self._parked: dict[str, Position] = {}
        self._keys: dict[tuple[Any, ...], Key] = {}
        self._last = 0
        self._kept: OrderedDict[Key, Any] = OrderedDict()

    async def prepare(self) -> None:
        """Make the table if there is none, and take up where it stands.

        Raises:
            HistoryMismatch: the table was made from another history, or from a longer one.
            StoreError: the store cannot be used.
        """
        await self._take_up()

    async def catch_up(self) -> None:
        """Bring the read model to the head as it is now, once. Raises what stops it."""
        await self._project(await self._history.head())

    async def run(self) -> None:
        """Project until cancelled. What cannot go on is told in `problem`, logged, and tried again."""
        failures = 0
        while True:
            try:
                await self._follow()
                failures, self.problem = 0, None
            except Exception as error:  # noqa: BLE001 - a projection that ends silently would be the worst of all
                self.problem = f"{type(error).__name__}: {error}" if not isinstance(error, TwofoldError) else str(error)
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                failures += 1
                _log.error(
                    "projection of %s stopped at position %d, next try in %g s", self.table.name, self._checkpoint,
                    pause, exc_info=not isinstance(error, StoreError),
                )  # fmt: skip
                await asyncio.sleep(pause)

    async def _take_up(self) -> None:
        self._kept.clear()
        self._checkpoint = await self._store.prepare(self.table, self._history.id)
        head = await self._history.head()
        if self._checkpoint > head:
            raise HistoryMismatch(
                model=self.table.name,
                problem=f"it was projected up to position {self._checkpoint}, the history ends at {head}",
            )
        self._parked = dict(await self._store.parked_keys(self.table))
        self._live = await self._store.checkpoint(self.table) is not None
        if self._live:
            self._freshness.moved(self.table, self._checkpoint)

    async def _follow(self) -> None:
        """Bring the read model to the head as it is now, or wait until there is more."""
        head = await self._history.head()
        if head <= self._checkpoint and self._live:
            self.problem = None
            await self._history.changed(self._checkpoint)
            # Under load this makes one batch of many commits; whoever waits for the read model ends it at once.
            await self._freshness.linger(self.table, _LINGER_BUSY if self._last >= _BUSY else _LINGER)
            return
        await self._project(head)

    async def _project(self, head: Position) -> None:
        batch: Sequence[Recorded] = ()
        async for following in self._history.read(self._selection, after=self._checkpoint, until=head):
            if batch and not await self._advance(batch, batch[-1].position):
                return
            batch = following
        # A caught-up read model stands at the head, whether or not the last events are any of its own.
        await self._advance(batch, head, live=True)

    async def _advance(self, batch: Sequence[Recorded], reached: Position, *, live: bool = False) -> bool:
        try:
            rows, parked = await self._folded(batch)
            becomes_live = live and not self._live
            stored = await self._store.apply(
                self.table, Advance(self._checkpoint, reached, rows, parked, live=becomes_live)
            )
        except BaseException:
            self._kept.clear()
            raise
        if not stored:
            # Another process projects the same read model and was first.
            await self._take_up()
            return False
        self._checkpoint, self._last = reached, len(batch)
        self._live = self._live or live
        for each in parked:
            self._parked.setdefault(each.key, each.position)
        if self._live:
            self._freshness.moved(self.table, reached)
        return True

    async def _folded(self, batch: Sequence[Recorded]) -> tuple[list[Row], list[Parked]]:
        touched: dict[Key, Touched] = {}
        parked: list[Parked] = []
        for start in range(0, len(batch), _SLICE):
            for recorded in batch[start : start + _SLICE]:
                self._distribute(recorded, touched, parked)
            await asyncio.sleep(0)
        before = await self._store.load(self.table, [key for key in touched if key not in self._kept])
        rows: list[Row] = []
        failed: list[Key] = []
        for number, (key, work) in enumerate(touched.items(), 1):
            if self._parked and _text_of(key) in self._parked:
                name = _text_of(key)
                parked.extend(Parked(name, happening.recorded.position) for happening in work.happenings)
            elif not self._fold_row(key, work, before, rows):
                failed.append(key)
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        if failed:
            before = await self._store.load(self.table, failed)
            for key in failed:
                self._fold_carefully(key, touched[key], before.get(key), rows, parked)
        while len(self._kept) > _ROWS_KEPT:
            self._kept.popitem(last=False)
        return rows, parked

    def _distribute(self, recorded: Recorded, touched: dict[Key, Touched], parked: list[Parked]) -> None:
        event = self._codec.decode(recorded)
        metadata = recorded.metadata if self._wants_metadata else None
        happening = Happening(recorded, event, metadata)
        try:
            keys = [(self._key(values), values) for values in self._keys_of(event, metadata)]
        except Exception as error:  # noqa: BLE001 - the application's code; the event is parked with what it raised
            self._report(recorded, error)
            parked.append(Parked(_NO_KEY, recorded.position, f"{type(error).__name__}: {error}"))
            return
        for key, values in dict(keys).items():
            work = touched.get(key)
            if work is None:
                work = touched[key] = Touched(values)
            work.happenings.append(happening)

    def _key(self, values: tuple[Any, ...]) -> Key:
        key = self._keys.get(values)
        if key is None:
            key = self.table.key_of(values)
            if None in key:
                raise TypeError(f"the key {', '.join(self.table.key)} is missing from the event")
            if len(self._keys) >= _KEYS_KEPT:
                self._keys.clear()
            self._keys[values] = key
        return key

    def _fold_row(self, key: Key, work: Touched, before: Mapping[Key, Row], rows: list[Row]) -> bool:
        """Fold a row's events, keeping the instance for the next batch; False, and nothing kept, if one failed."""
        instance = self._kept.pop(key, None)
        try:
            if instance is None:
                row = before.get(key)
                instance = self.table.fresh(work.values) if row is None else self.table.instance(row)
            for happening in work.happenings:
                self._evolve(instance, happening)
            rows.append(self._row(key, instance))
        except Exception:  # noqa: BLE001 - found again with care, where it is told which event it was
            return False
        self._kept[key] = instance
        return True

    def _fold_carefully(
        self, key: Key, work: Touched, before: Row | None, rows: list[Row], parked: list[Parked]
    ) -> None:
        """Fold event by event up to the one that cannot be taken; park that one and those after it."""
        name = _text_of(key)
        good = before
        for place, happening in enumerate(work.happenings):
            try:
                instance = self.table.fresh(work.values) if good is None else self.table.instance(good)
                self._evolve(instance, happening)
                good = self._row(key, instance)
            except Exception as error:  # noqa: BLE001 - the application's code; it is parked with what it raised
                self._report(happening.recorded, error)
                parked.append(Parked(name, happening.recorded.position, f"{type(error).__name__}: {error}"))
                parked.extend(Parked(name, later.recorded.position) for later in work.happenings[place + 1 :])
                break
        if good is not None and good is not before:
            rows.append(good)

    def _evolve(self, instance: Any, happening: Happening) -> None:
        if self._fold.takes_metadata:
            instance.evolve(happening.event, happening.metadata)
        else:
            instance.evolve(happening.event)
        self.table.settle(instance)

    def _row(self, key: Key, instance: Any) -> Row:
        row: Row = self.table.row(instance)
        if self.table.key_in(row) != key:
            raise ValueError("evolve changed the key of its row")
        return row

    def _report(self, recorded: Recorded, error: Exception) -> None:
        # No key and no payload in the log: they may be private.
        _log.error(
            "%s parked a key at position %d (%s): %s", self.table.name, recorded.position, recorded.type,
            type(error).__name__,
        )  # fmt: skip


def _text_of(key: Key) -> str:
    return msgspec.json.encode(key).decode()
