"""Snapshots in a table of their own in the schema `history`; nothing rests on it."""

from __future__ import annotations

from twofold.engines.postgres.server import Server
from twofold.engines.postgres.statements import statement
from twofold.write.snapshot import Snapshot


class PostgresSnapshots:
    """Implements `twofold.write.store.SnapshotStore`.

    Args:
        server: the database, as the writer; it is connected to when a snapshot is first looked for or kept.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._is_open = False

    async def find(self, key: str) -> Snapshot | None:
        """Return what was kept last under a key."""
        await self._open()
        rows = await self._server.fetch(statement("find_snapshot"), key)
        return Snapshot(*rows[0]) if rows else None

    async def keep(self, key: str, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of the one before."""
        await self._open()
        values = (key, snapshot.made_of, snapshot.position, snapshot.event_id, snapshot.state, snapshot.checksum)
        await self._server.call(statement("keep_snapshot"), *values)

    async def close(self) -> None:
        """Close the connection."""
        await self._server.close()

    async def _open(self) -> None:
        if not self._is_open:
            await self._server.open()
            self._is_open = True
