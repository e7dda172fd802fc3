"""Taking snapshots of long boundaries, and giving them back: by a policy, bounded, stored in the background.

One is taken after so many events, and less often where a state is large; a model of few events never asks for one.
Those taken last stay in memory, so that a model that others write to as well, which is dropped at every conflict, is
not folded from the first event each time.
"""

from __future__ import annotations

import asyncio
import logging

from twofold.history.record import Position
from twofold.model import WriteModel
from twofold.write.bounded import Bounded
from twofold.write.cache import Entry
from twofold.write.handler import Boundary
from twofold.write.snapshot import Snapshot, decoded, encoded, key_of, snapshot_of
from twofold.write.store import SnapshotStore

_EVERY = 1_000
_BYTES_FOR_EVENT = 100
_LARGEST = 4 << 20
_RECENT = 1_000
_RECENT_BYTES = 16 << 20
_log = logging.getLogger("twofold.write")


class Snapshots:
    """The snapshots of a node.

    Args:
        store: where they are kept; None to keep the last ones in memory alone.

    Attributes:
        in_memory: those that were taken last.
    """

    def __init__(self, store: SnapshotStore | None = None) -> None:
        self._store = store
        self.in_memory: Bounded[Boundary, Snapshot] = Bounded(_RECENT, _RECENT_BYTES)
        self._unstored: dict[Boundary, Snapshot] = {}
        self._storing: asyncio.Task[None] | None = None
        self._told: set[object] = set()

    def state_of(self, entry: Entry) -> bytes | None:
        """Return an entry's state for a snapshot, where one is due; the entry is due again some events later."""
        if entry.revision < entry.due:
            return None
        state = encoded(entry.model)
        entry.due = entry.revision + max(_EVERY, len(state or b"") // _BYTES_FOR_EVENT)
        if state is None or len(state) > _LARGEST:
            model = type(entry.model)
            problem = "does not come back as it is" if state is None else f"takes more than {_LARGEST >> 20} MiB"
            self._tell_once(model, "no snapshots of %s are kept: its state %s", model.__name__, problem)
            return None
        return state

    def keep(self, boundary: Boundary, state: bytes, position: Position, event_id: bytes) -> None:
        """Keep a state that rests on what is durable alone: on the boundary's events up to this one."""
        snapshot = snapshot_of(boundary.model, state, position, event_id)
        self.in_memory.put(boundary, snapshot, len(state))
        if self._store is not None and (boundary in self._unstored or len(self._unstored) < _RECENT):
            self._unstored[boundary] = snapshot
            if self._storing is None:
                self._storing = asyncio.create_task(self._write(self._store), name="twofold-snapshots")

    def recent(self, boundary: Boundary) -> Snapshot | None:
        """Return the snapshot that was taken last, if it is still in memory."""
        return self.in_memory.get(boundary)

    async def stored(self, boundary: Boundary) -> Snapshot | None:
        """Return the snapshot that is in the store."""
        if self._store is None:
            return None
        try:
            return await self._store.find(key_of(boundary))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the store, the history has it all
            self._tell_once("find", "snapshots cannot be read: %s: %s", type(error).__name__, error)
            return None

    def model_of(self, boundary: Boundary, snapshot: Snapshot) -> WriteModel | None:
        """Return the model that a snapshot holds, where it is whole and of the model as it is declared now."""
        return decoded(boundary.model, snapshot)

    def forget(self, boundary: Boundary) -> None:
        """Forget a snapshot that does not belong to this history; the next one takes its place in the store."""
        self.in_memory.remove(boundary)
        self._unstored.pop(boundary, None)

    async def close(self) -> None:
        """Store what waits to be, and close the store."""
        if self._storing is not None:
            await self._storing
        if self._store is not None:
            await self._store.close()

    async def _write(self, store: SnapshotStore) -> None:
        while self._unstored:
            boundary = next(iter(self._unstored))
            snapshot = self._unstored.pop(boundary)
            try:
                await store.keep(key_of(boundary), snapshot)
            except Exception as error:  # noqa: BLE001 - as above
                self._tell_once("keep", "snapshots cannot be stored: %s: %s", type(error).__name__, error)
        self._storing = None

    def _tell_once(self, about: object, message: str, *facts: object) -> None:
        if about not in self._told:
            self._told.add(about)
            _log.warning(message, *facts)
