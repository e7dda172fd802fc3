"""What may be done with the read models of an application besides asking: rebuild, verify, mend what is parked."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from twofold.errors import RoleMissing, UnknownMessage
from twofold.history.store import History
from twofold.model import ReadModel
from twofold.read.comparison import Compared
from twofold.read.filling import Told
from twofold.read.parking import ParkedKey, Parking, Retried
from twofold.read.rebuild import Rebuild, Rebuilt
from twofold.read.store import SegmentStatus, Version, ViewStore
from twofold.read.stores import Views
from twofold.read.table import Table
from twofold.read.verification import Verification
from twofold.storage import Role, shadow_views, storage_at
from twofold.view_storages import ViewStorages

if TYPE_CHECKING:
    from twofold.app import App

Model: TypeAlias = type[ReadModel] | str
"""A read model's class, or its name."""


class Models:
    """The read models of an application where they are kept, whoever projects them.

    Args:
        app: the application.
        history: its events.
        views: where its read models are.
        holder: the name under which leases are held, unlike that of any node.
    """

    def __init__(self, app: App, history: History, views: ViewStore, holder: str) -> None:
        self._app = app
        self._history = history
        self._views = views
        self._holder = holder

    async def rebuild(
        self, model: Model, *, undo: bool = False, force: bool = False, progress: Told | None = None
    ) -> Rebuilt:
        """Rebuild a read model beside what is live; see `Node.rebuild`."""
        table = self.table_of(model)
        rebuild = Rebuild(table, self._history, self._views, self._app.codec, self._holder, progress)
        return await (rebuild.undo() if undo else rebuild.run(force=force))

    async def verify(self, model: Model, *, progress: Told | None = None) -> Compared:
        """Compare every row of a read model with what the history makes of it; see `Node.verify`."""
        table = self.table_of(model)
        async with shadow_views() as shadow:
            codec, holder = self._app.codec, self._holder
            return await Verification(table, self._history, self._views, codec, shadow, holder, progress).run()

    async def parked(self, model: Model) -> list[ParkedKey]:
        """Return what is parked of a read model; see `Node.parked`."""
        return await self._parking(model).keys()

    async def retry_parked(self, model: Model, key: str | None = None) -> list[Retried]:
        """Apply parked events after all; see `Node.retry_parked`."""
        return await self._parking(model).retry(key)

    async def drop_parked(self, model: Model, key: str) -> int:
        """Give up parked events; see `Node.drop_parked`."""
        return await self._parking(model).drop(key)

    async def segments(self, model: Model) -> Sequence[SegmentStatus]:
        """Return how each segment of a read model stands."""
        return await self._views.segments(self.table_of(model))

    async def versions(self, model: Model) -> Sequence[Version]:
        """Return the tables that are kept of a read model."""
        return await self._views.versions(self.table_of(model))

    def table_of(self, model: Model) -> Table[Any]:
        """Return the table of a read model.

        Raises:
            UnknownMessage: the application has none of that class or name.
        """
        tables = self._app.tables
        for table in tables.values():
            if model in (table.model, table.name):
                return table
        name = model if isinstance(model, str) else model.__name__
        known = ", ".join(sorted(table.name for table in tables.values())) or "none"
        raise UnknownMessage(kind="read model", name=name, known=known)

    def _parking(self, model: Model) -> Parking:
        return Parking(self.table_of(model), self._history, self._views, self._app.codec)


@asynccontextmanager
async def open_models(app: App, url: str, *, views: Views = None) -> AsyncIterator[Models]:
    """Give an application's read models without running it: no handler is needed, and no projection is begun.

    Raises:
        InvalidSetting: `views` does not fit the read models.
        StoreError: the storage cannot be opened.
    """
    roles: tuple[Role, ...] = ("project",)
    places = ViewStorages(url, views, app.tables.values(), app.views)
    history = await storage_at(url).history(roles)
    if history is None:
        raise RoleMissing(role="project", roles="nothing")
    try:
        store = await places.open(roles)
        try:
            holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"
            yield Models(app, history, store, holder)
        finally:
            await store.close()
    finally:
        await history.close()
