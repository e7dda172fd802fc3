"""Which nodes project from a database, and which of them holds what."""

from __future__ import annotations

from collections.abc import Collection

from twofold.engines.postgres.server import Server
from twofold.engines.postgres.statements import statement
from twofold.read.share import Attendance, Segment


class Attendances:
    """The table `views.twofold_nodes`, and the leases in `views.twofold_projections`; times are the database's.

    Args:
        server: the database as `twofold_projector`.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def attend(self, node: str, tables: Collection[str], seconds: float) -> None:
        """Note a node; see `SharedViewStore.attend`."""
        await self._server.call(statement("attend"), node, sorted(tables), float(seconds))

    async def leave(self, node: str) -> None:
        """Forget a node."""
        await self._server.call(statement("leave"), node)

    async def attendance(self, node: str) -> Attendance:
        """Return who is there."""
        nodes = await self._server.fetch(statement("attendance_nodes"))
        segments = await self._server.fetch(statement("attendance_segments"))
        ends = [row[2] for row in nodes if row[0] != node]
        ends += [row[4] for row in segments if row[3] not in (None, node)]
        return Attendance(
            {row[0]: row[1] for row in nodes},
            {Segment(f"{row[0]}__{row[1]}", row[2]): row[3] for row in segments},
            min(ends, default=float("inf")),
        )
