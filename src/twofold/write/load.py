"""Loading write models: from the cache where they are, else folded from the history, long ones from a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from twofold.history.boundary import Selection
from twofold.history.codec import Codec
from twofold.history.record import Recorded
from twofold.history.store import History
from twofold.write.beginnings import Beginnings
from twofold.write.cache import Cache, Entry
from twofold.write.group import GroupCommit
from twofold.write.handler import Boundary
from twofold.write.snapshot import Snapshot
from twofold.write.snapshots import Snapshots


class Loader:
    """Brings entries to where the cache stands: at the group commit's position, plus what is pending."""

    def __init__(self, history: History, codec: Codec, cache: Cache, group: GroupCommit, snapshots: Snapshots) -> None:
        self._history = history
        self._codec = codec
        self._cache = cache
        self._group = group
        self._snapshots = snapshots
        self._beginnings = Beginnings(history, lambda: group.position)
        self._loading: dict[Boundary, asyncio.Event] = {}

    def ready(self, boundaries: Sequence[Boundary]) -> list[Entry] | None:
        """Return an entry for each boundary where none has to be read; right until the caller next awaits something."""
        found = self._found(boundaries)
        if len(found) < len(boundaries):
            return None
        self._cache.hits += len(found)
        return found

    async def load(self, boundaries: Sequence[Boundary]) -> list[Entry]:
        """Return an entry for each boundary; they are right until the caller next awaits something.

        Raises:
            StoreError: the history cannot be read.
            Exception: what an `evolve` raised.
        """
        found = self._found(boundaries)
        self._cache.hits += len(found)
        self._cache.misses += len(boundaries) - len(found)
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
        entry = self._cache.get(boundary)
        if entry is not None and not entry.behind:
            # Loaded meanwhile, or named twice by one command: it must not be folded again.
            return
        done = self._loading[boundary] = asyncio.Event()
        try:
            await self._catch_up(entry or await self._begun(boundary))
        except BaseException:
            # It may be folded half-way.
            if entry is not None:
                self._cache.drop(entry)
            raise
        finally:
            del self._loading[boundary]
            done.set()

    async def _catch_up(self, entry: Entry) -> None:
        while True:
            if entry.takes_metadata and self._is_pending(entry):
                await self._group.settled.wait()
            elif self._group.is_untouched(entry.criterion, since=entry.position):
                entry.position = self._group.position
                break
            else:
                async for last in self._fold(entry):
                    self._take_snapshot(entry, last)
        # Nothing is awaited from here on: the entry stands where the cache stands.
        for event in self._group.pending_events(entry.criterion):
            entry.fold(event)
        entry.behind = False
        self._cache.put(entry)

    async def _begun(self, boundary: Boundary) -> Entry:
        """Return the entry of a model that is not in the cache, folded as far as it is if it is short."""
        entry = Entry(boundary)
        snapshot = self._snapshots.recent(boundary)
        if snapshot is None:
            beginning = await self._beginnings.read(entry.criterion, entry.due)
            self._take(entry, beginning.events)
            entry.position = beginning.position
            if entry.revision >= entry.due:
                snapshot = await self._snapshots.stored(boundary)
        return entry if snapshot is None else await self._restored(boundary, snapshot) or entry

    async def _restored(self, boundary: Boundary, snapshot: Snapshot) -> Entry | None:
        model = self._snapshots.model_of(boundary, snapshot)
        if model is None or not await self._is_of_this_history(boundary, snapshot):
            self._snapshots.forget(boundary)
            return None
        if snapshot.position > self._group.position:
            # Another process took it, whose events this one has not seen yet.
            await self._group.move_up()
        if snapshot.position > self._group.position:
            return None
        entry = Entry(boundary)
        entry.model, entry.position = model, snapshot.position
        return entry

    async def _is_of_this_history(self, boundary: Boundary, snapshot: Snapshot) -> bool:
        selection, at = Selection((boundary.criterion,)), snapshot.position
        batches = self._history.read(selection, after=at - 1, until=at)
        return [recorded.event_id async for batch in batches for recorded in batch] == [snapshot.event_id]

    async def _fold(self, entry: Entry) -> AsyncIterator[Recorded]:
        """Fold what is new to an entry; yield the last event of each batch when it is folded."""
        until = self._group.position
        async for batch in self._history.read(Selection((entry.criterion,)), after=entry.position, until=until):
            self._take(entry, batch)
            entry.position = batch[-1].position
            yield batch[-1]
        entry.position = until

    def _take(self, entry: Entry, events: Sequence[Recorded]) -> None:
        for recorded in events:
            entry.fold(self._codec.decode(recorded), recorded.metadata if entry.takes_metadata else None)

    def _take_snapshot(self, entry: Entry, last: Recorded) -> None:
        if (state := self._snapshots.state_of(entry)) is not None:
            self._snapshots.keep(entry.boundary, state, last.position, last.event_id)

    def _is_pending(self, entry: Entry) -> bool:
        return any(True for _ in self._group.pending_events(entry.criterion))
