"""Batches for read models that project with SQL of their own: which events they are given, and which are parked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twofold.errors import StoreError
from twofold.history.codec import Codec
from twofold.history.record import Recorded
from twofold.message import Occurred
from twofold.model import project_of, row_keys
from twofold.read.folding import NO_KEY, Folded, report_parked, text_of
from twofold.read.pace import Pace
from twofold.read.store import Parked, ViewStore
from twofold.read.table import Key, Row, Table
from twofold.read.transaction import BatchTransaction


class Taken:
    """An event of a batch, and the keys under which it would be parked."""

    __slots__ = ("keys", "occurred", "recorded")

    def __init__(self, recorded: Recorded, occurred: Occurred[Any], keys: Sequence[str]) -> None:
        self.recorded = recorded
        self.occurred = occurred
        self.keys = keys


class Batching:
    """Hands the batches of one read model to its `project`; it stands where `Folding` does for other read models.

    An event that `project` cannot take is found by halving the batch, and parked under its keys; later events of these
    keys are parked behind it. The halves have the effect of the whole, as it does not matter where batches end.

    Args:
        table: the read model's table.
        store: where its parked keys are looked up.
        codec: the application's events.
    """

    def __init__(self, table: Table[Any], store: ViewStore, codec: Codec) -> None:
        self.table = table
        self._store = store
        self._codec = codec
        project = project_of(table.model)
        assert project is not None
        self._project = project
        self._keys_of = row_keys(table.model)
        self._parked: set[str] = set()
        self._pace = Pace()

    async def take_up(self) -> None:
        """Begin from what the store has."""
        self._parked = set(await self._store.parked_keys(self.table))

    def forget(self) -> None:
        """Keep nothing of what was not stored; the projector takes up again before the next batch."""

    @property
    def parked(self) -> int:
        """How many keys are parked."""
        return len(self._parked)

    async def fold(self, batch: Sequence[Recorded], unsettled: Mapping[Key, Row | None]) -> Folded:
        """Return the work that stores what a batch makes of the table."""
        taken: list[Taken] = []
        self._pace.begin()
        for recorded in batch:
            taken.append(self._taken(recorded))
            if self._pace.is_due():
                await self._pace.pause()

        async def work(tx: BatchTransaction) -> Sequence[Parked]:
            parked: list[Parked] = []
            await self._run(tx, taken, parked)
            return parked

        return Folded(work=work if taken else None)

    async def again(self, tx: BatchTransaction, recorded: Sequence[Recorded]) -> None:
        """Project events that were parked, all of them or none; raises what `project` raises."""
        async with tx.attempt():
            await self._project([self._taken(each).occurred for each in recorded], tx)

    def _taken(self, recorded: Recorded) -> Taken:
        event = self._codec.decode(recorded)
        try:
            keys = [text_of(self.table.key_of(values)) for values in self._keys_of(event, recorded.metadata)]
        except Exception:  # noqa: BLE001 - the application's code; it matters only if the event is to be parked
            keys = []
        return Taken(recorded, Occurred(event, recorded.metadata), list(dict.fromkeys(keys)) or [NO_KEY])

    async def _run(self, tx: BatchTransaction, events: Sequence[Taken], parked: list[Parked]) -> None:
        """Project events; halve them where that fails, down to the event that cannot be taken."""
        ready = [each for each in events if not self._waits(each, parked)]
        if not ready:
            return
        try:
            async with tx.attempt():
                await self._project([each.occurred for each in ready], tx)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the application's code; the event is parked with what it raised
            if len(ready) == 1:
                self._park(ready[0], f"{type(error).__name__}: {error}", parked)
                report_parked(self.table.name, ready[0].recorded, error)
                return
            half = len(ready) // 2
            await self._run(tx, ready[:half], parked)
            await self._run(tx, ready[half:], parked)

    def _waits(self, taken: Taken, parked: list[Parked]) -> bool:
        """Park an event behind others of its keys, if there are any; tell whether."""
        waits = any(key in self._parked and key != NO_KEY for key in taken.keys)
        if waits:
            self._park(taken, "", parked)
        return waits

    def _park(self, taken: Taken, error: str, parked: list[Parked]) -> None:
        for key in taken.keys:
            parked.append(Parked(key, taken.recorded.position, error))
            self._parked.add(key)
