"""Loading write models: from the cache where they are, else folded from the history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from twofold.history.boundary import Selection
from twofold.history.codec import Codec
from twofold.history.store import History
from twofold.write.cache import Cache, Entry
from twofold.write.group import GroupCommit
from twofold.write.handler import Boundary


class Loader:
    """Brings entries to where the cache stands: at the group commit's position, plus what is pending."""

    def __init__(self, history: History, codec: Codec, cache: Cache, group: GroupCommit) -> None:
        self._history = history
        self._codec = codec
        self._cache = cache
        self._group = group
        self._loading: dict[Boundary, asyncio.Event] = {}

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
        entry = self._cache.get(boundary) or Entry(boundary)
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
        while True:
            if entry.takes_metadata and self._is_pending(entry.boundary):
                await self._group.settled.wait()
            elif entry.position < self._group.position:
                await self._read(entry, selection)
            else:
                break
        # Nothing is awaited from here on: the entry stands where the cache stands.
        for pending in self._group.pending_on(entry.boundary.tag):
            for proposed, event in zip(pending.proposed, pending.events, strict=True):
                if entry.boundary.takes(proposed):
                    entry.fold(event)
        entry.behind = False
        self._cache.put(entry)

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
