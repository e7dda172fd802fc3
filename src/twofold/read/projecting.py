"""All projections of a node: one for each segment of each read model, with shares told between nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from twofold.history.codec import Codec
from twofold.history.store import History
from twofold.read.freshness import Freshness
from twofold.read.projector import Projector
from twofold.read.sharing import Sharing, sharings_of
from twofold.read.store import SharedViewStore, ViewStore
from twofold.read.stores import store_of
from twofold.read.table import Table


class Projecting:
    """Runs the projections of some read models.

    Args:
        tables: the read models' tables.
        history: the events.
        views: where the rows are kept.
        codec: the application's events.
        freshness: is told how far they have come.
        holder: the node's name, unlike that of any other; leases are held under it.
        lease: for how many seconds.
    """

    def __init__(
        self,
        tables: Collection[Table[Any]],
        history: History,
        views: ViewStore,
        codec: Codec,
        freshness: Freshness,
        holder: str,
        lease: float,
    ) -> None:
        self._views = views
        self._freshness = freshness
        self._sharings: Mapping[Table[Any], Sharing] = sharings_of(views, tables, holder, lease)
        self.projectors = [
            Projector(
                table, history, views, codec, freshness, holder=holder, lease=lease, segment=segment,
                sharing=self._sharings.get(table),
            )
            for table in tables
            for segment in range(table.segments)
        ]  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Make the tables where there are none, and begin to project.

        Raises:
            HistoryMismatch: a table was made from another history, or from a longer one.
            StoreError: a store cannot be used.
        """
        for projector in self.projectors:
            await projector.prepare()
        for store in {store_of(self._views, table) for table in self._sharings}:
            if isinstance(store, SharedViewStore):
                self._tasks.append(asyncio.create_task(self._hurry(store), name="twofold-hurry"))
        for sharing in dict.fromkeys(self._sharings.values()):
            # What is free already is then claimed at once.
            await sharing.look()
            self._tasks.append(asyncio.create_task(sharing.run(), name="twofold-share-segments"))
        for projector in self.projectors:
            name = f"twofold-project-{projector.table.live_name}-{projector.segment}"
            self._tasks.append(asyncio.create_task(projector.run(), name=name))

    async def _hurry(self, store: SharedViewStore) -> None:
        seen = store.hurries.calls
        while True:
            seen = await store.hurries.since(seen)
            self._freshness.hurry()

    def problems(self) -> dict[Table[Any], str]:
        """Return why projections do not go on, of those that do not."""
        found: dict[Table[Any], str] = {}
        for each in self.projectors:
            sharing = self._sharings.get(each.table)
            if problem := each.problem or (None if sharing is None else sharing.problem):
                found[each.table] = problem
        return found

    async def stop(self) -> None:
        """End all of them, and let other nodes take over at once."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        await asyncio.gather(*(sharing.leave() for sharing in dict.fromkeys(self._sharings.values())))
        await asyncio.gather(*(projector.release() for projector in self.projectors))
