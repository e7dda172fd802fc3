"""The protocol of a store of snapshots: what an engine must do to keep them beside its history."""

from __future__ import annotations

from typing import Protocol

from twofold.write.snapshot import Snapshot


class SnapshotStore(Protocol):
    """One snapshot for each key, shared by every process that opens it. Nothing in it is needed.

    Raises (any method): whatever goes wrong; who asks goes on without.
    """

    async def find(self, key: str) -> Snapshot | None:
        """Return what was kept last under a key."""
        ...

    async def keep(self, key: str, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of the one before; it may be lost, never be half there."""
        ...

    async def close(self) -> None:
        """Release files and threads. May be called twice."""
        ...
