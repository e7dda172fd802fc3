"""`postgresql://…`: a database as storage of a node, and as what an administrator makes ready for nodes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias

from twofold.engines.postgres import migrate
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.migrate import DatabaseStatus
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.snapshots import PostgresSnapshots
from twofold.engines.postgres.views import PostgresViews
from twofold.errors import NotInitialized

Kind: TypeAlias = Literal["history", "views"]


class PostgresStorage:
    """A PostgreSQL database. Until something of it is opened, nothing is connected to.

    Args:
        url: see `read_address`.

    Raises:
        InvalidAddress: the URL is not understood.
    """

    def __init__(self, url: str) -> None:
        self._address = read_address(url)
        self.shown = self._address.shown

    async def history(self, roles: Collection[str]) -> PostgresHistory | None:
        """Connect as the writer, or as the projector where nothing is to be written; readers may not see the history.

        Raises:
            StoreUnavailable, NotInitialized, NewerSchema, StoreBusy: the database cannot be worked with.
        """
        if not {"write", "project"} & set(roles):
            return None
        history = PostgresHistory(self._address, "writer" if "write" in roles else "projector")
        await self._open(history)
        return history

    async def snapshots(self) -> PostgresSnapshots:
        """Return what connects as the writer when there is need."""
        return PostgresSnapshots(Server(self._address, "writer"))

    async def views(self, roles: Collection[str]) -> PostgresViews:
        """Connect as the reader, the projector, or both."""
        reader = Server(self._address, "reader") if "read" in roles else None
        projector = Server(self._address, "projector") if "project" in roles else None
        views = PostgresViews(reader, projector)
        await self._open(views)
        return views

    async def stored(self) -> frozenset[Kind]:
        """Return both kinds where the schema is there, whether or not anything is in it."""
        return frozenset(("history", "views")) if (await self.status()).version else frozenset()

    async def status(self) -> DatabaseStatus:
        """Return how the database stands; see `migrate.status`."""
        return await migrate.status(self._address)

    async def script(self) -> str:
        """Return the SQL that would make it ready; see `migrate.script`."""
        return await migrate.script(self._address)

    async def initialise(self) -> Sequence[str]:
        """Make it ready; return the migrations that were run; see `migrate.initialise`."""
        return await migrate.initialise(self._address)

    async def _open(self, store: PostgresHistory | PostgresViews) -> None:
        try:
            await self._open_or_initialise(store)
        except BaseException:
            # One of its roles may be connected already.
            await store.close()
            raise

    async def _open_or_initialise(self, store: PostgresHistory | PostgresViews) -> None:
        try:
            await store.open()
        except NotInitialized:
            if not await migrate.prepare(self._address):
                raise
            await store.open()
