"""Loading write models: from the cache where they are, else folded from the history."""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Sequence

from twofold.history.boundary import Selection
from twofold.history.codec import Codec
from twofold.history.record import Position
from twofold.history.store import History
from twofold.model import WriteModel
from twofold.write.cache import Cache, Entry
from twofold.write.group import GroupCommit
from twofold.write.handler import Boundary

_COSTLY = 200
_SNAPSHOTS = 1_000


class Loader:
    """Brings entries to where the cache stands: at the group commit's position, plus what is pending."""

    def __init__(self, history: History, codec: Codec, cache: Cache, group: GroupCommit) -> None:
        self._history = history
        self._codec = codec
        self._cache = cache
        self._group = group
        self._loading: dict[Boundary, asyncio.Event] = {}
        self._snapshots: OrderedDict[Boundary, tuple[Position, WriteModel]] = OrderedDict()

    async def load(self, boundaries: Sequence[Boundary]) -> list[Entry]:
        """Return an entry for each boundary; they are right until the caller next awaits something.

        Raises:
            StoreError: the history cannot be read.
            Exception: what an `evolve` raised.
        """
        found = self._found(boundaries)
        if found is not None:
            return found
        # What one has loaded must not be evicted by others while the next is loaded, or nobody might ever have both.
        self._cache.hold(boundaries)
        try:
            while (found := self._found(boundaries)) is None:
                for boundary in boundaries:
                    await self._load_once(boundary)
        finally:
            self._cache.release(boundaries)
        return found

    def _found(self, boundaries: Sequence[Boundary]) -> list[Entry] | None:
        entries = [self._cache.get(boundary) for boundary in boundaries]
        ready = [entry for entry in entries if entry is not None and not entry.behind]
        return ready if len(ready) == len(boundaries) else None

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
        selection = Selection((entry.boundary.criterion,))
        revision = entry.revision
        while True:
            if entry.takes_metadata and self._is_pending(entry.boundary):
                await self._group.settled.wait()
            elif entry.position < self._group.position:
                await self._read(entry, selection)
            else:
                break
        if entry.revision - revision >= _COSTLY:
            self._keep_snapshot(entry)
        # Nothing is awaited from here on: the entry stands where the cache stands.
        for pending in self._group.pending_on(entry.boundary.tag):
            for proposed, event in zip(pending.proposed, pending.events, strict=True):
                if entry.boundary.takes(proposed):
                    entry.fold(event)
        entry.behind = False
        self._cache.put(entry)

    def _restored(self, boundary: Boundary) -> Entry:
        entry = Entry(boundary)
        if boundary in self._snapshots:
            self._snapshots.move_to_end(boundary)
            entry.position, model = self._snapshots[boundary]
            entry.model = copy.deepcopy(model)
        return entry

    def _keep_snapshot(self, entry: Entry) -> None:
        # A model that others write to as well is dropped at every conflict: it must not be folded from the first event
        # each time. What is kept rests on durable events alone, so it is never wrong.
        self._snapshots[entry.boundary] = (entry.position, copy.deepcopy(entry.model))
        self._snapshots.move_to_end(entry.boundary)
        if len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)

    async def _read(self, entry: Entry, selection: Selection) -> None:
        until = self._group.position
        async for batch in self._history.read(selection, after=entry.position, until=until):
            for recorded in batch:
                metadata = recorded.metadata if entry.takes_metadata else None
                entry.fold(self._codec.decode(recorded), metadata)
            entry.position = batch[-1].position
        entry.position = until

    def _is_pending(self, boundary: Boundary) -> bool:
        pending = self._group.pending_on(boundary.tag)
        return any(boundary.takes(proposed) for each in pending for proposed in each.proposed)
