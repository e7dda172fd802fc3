"""Loading write models: from the cache where they are, else folded from the history."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence

from twofold.history.boundary import Selection
from twofold.history.codec import Codec
from twofold.history.record import Position
from twofold.history.store import History
from twofold.model import WriteModel
from twofold.write.bounded import Bounded
from twofold.write.cache import Cache, Entry
from twofold.write.group import GroupCommit
from twofold.write.handler import Boundary
from twofold.write.size import size_of

_COSTLY = 200
_SNAPSHOTS = 1_000
_SNAPSHOT_BYTES = 64 * 2**20


class Loader:
    """Brings entries to where the cache stands: at the group commit's position, plus what is pending."""

    def __init__(self, history: History, codec: Codec, cache: Cache, group: GroupCommit) -> None:
        self._history = history
        self._codec = codec
        self._cache = cache
        self._group = group
        self._loading: dict[Boundary, asyncio.Event] = {}
        self.snapshots: Bounded[Boundary, tuple[Position, WriteModel]] = Bounded(_SNAPSHOTS, _SNAPSHOT_BYTES)

    async def load(self, boundaries: Sequence[Boundary]) -> list[Entry]:
        """Return an entry for each boundary; they are right until the caller next awaits something.

        Raises:
            StoreError: the history cannot be read.
            Exception: what an `evolve` raised.
        """
        found = self._found(boundaries)
        self._cache.hits += len(found)
        self._cache.misses += len(boundaries) - len(found)
        if len(found) == len(boundaries):
            return found
        # What one has loaded must not be evicted by others while the next is loaded, or nobody might ever have both.
        self._cache.hold(boundaries)
        try:
            while len(found := self._found(boundaries)) < len(boundaries):
                for boundary in boundaries:
                    await self._load_once(boundary)
        finally:
            self._cache.release(boundaries)
        return found

    def _found(self, boundaries: Sequence[Boundary]) -> list[Entry]:
        """Return the entries that may be used as they are."""
        entries = [self._cache.get(boundary) for boundary in boundaries]
        return [entry for entry in entries if entry is not None and not entry.behind]

    async def _load_once(self, boundary: Boundary) -> None:
        under_way = self._loading.get(boundary)
        if under_way is not None:
            await under_way.wait()
            return
        entry = self._cache.get(boundary) or self._restored(boundary)
        if not entry.behind:
            # Loaded meanwhile, or named twice by one command: it must not be folded again.
            return
        done = self._loading[boundary] = asyncio.Event()
        try:
            await self._catch_up(entry)
        except BaseException:
            # It may be folded half-way.
            self._cache.drop(entry)
            raise
        finally:
            del self._loading[boundary]
            done.set()

    async def _catch_up(self, entry: Entry) -> None:
        selection = Selection((entry.criterion,))
        revision = entry.revision
        while True:
            if entry.takes_metadata and self._is_pending(entry):
                await self._group.settled.wait()
            elif entry.position < self._group.position:
                await self._read(entry, selection)
            else:
                break
        if entry.revision - revision >= _COSTLY:
            self._keep_snapshot(entry)
        # Nothing is awaited from here on: the entry stands where the cache stands.
        for event in self._group.pending_events(entry.criterion):
            entry.fold(event)
        entry.behind = False
        self._cache.put(entry)

    def _restored(self, boundary: Boundary) -> Entry:
        entry = Entry(boundary)
        snapshot = self.snapshots.get(boundary)
        if snapshot is not None:
            entry.position, entry.model = snapshot[0], copy.deepcopy(snapshot[1])
        return entry

    def _keep_snapshot(self, entry: Entry) -> None:
        # A model that others write to as well is dropped at every conflict: it must not be folded from the first event
        # each time. What is kept rests on durable events alone, so it is never wrong.
        model = copy.deepcopy(entry.model)
        self.snapshots.put(entry.boundary, (entry.position, model), size_of(model))

    async def _read(self, entry: Entry, selection: Selection) -> None:
        until = self._group.position
        async for batch in self._history.read(selection, after=entry.position, until=until):
            for recorded in batch:
                metadata = recorded.metadata if entry.takes_metadata else None
                entry.fold(self._codec.decode(recorded), metadata)
            entry.position = batch[-1].position
        entry.position = until

    def _is_pending(self, entry: Entry) -> bool:
        return any(True for _ in self._group.pending_events(entry.criterion))
