"""`postgresql://…`: a database as storage of a node, and as what an administrator makes ready for nodes."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.engines.postgres import migrate
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.migrate import DatabaseStatus


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

    async def status(self) -> DatabaseStatus:
        """Return how the database stands; see `migrate.status`."""
        return await migrate.status(self._address)

    async def script(self) -> str:
        """Return the SQL that would make it ready; see `migrate.script`."""
        return await migrate.script(self._address)

    async def initialise(self) -> Sequence[str]:
        """Make it ready; return the migrations that were run; see `migrate.initialise`."""
        return await migrate.initialise(self._address)
