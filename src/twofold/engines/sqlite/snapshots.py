"""Snapshots in `snapshots.db`, a file of its own that may be deleted at any time.

It is made when the first snapshot is kept. Its commits are not synced one by one: a power cut may lose the last ones,
which costs only time.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw

from twofold.engines.sqlite.file import File, translated
from twofold.engines.sqlite.reader import Reader
from twofold.engines.sqlite.statements import statement
from twofold.write.snapshot import Snapshot

APPLICATION_ID = 0x32466F53
VERSION = 1
_BUSY = 5_000


class SqliteSnapshots:
    """Implements `twofold.write.store.SnapshotStore` on one file that several processes may share.

    Args:
        folder: where `snapshots.db` lies or is made.
    """

    def __init__(self, folder: Path) -> None:
        self._file = File(
            folder / "snapshots.db",
            application_id=APPLICATION_ID,
            version=VERSION,
            schema=statement("snapshots_schema"),
            durable=False,
        )
        self._reader: Reader | None = None
        self._connection: apsw.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="twofold-snapshots")

    async def find(self, key: str) -> Snapshot | None:
        """Return what was kept last under a key."""
        if self._reader is None:
            if not self._file.path.exists():
                return None
            self._file.create()
            self._reader = Reader(self._file)
        rows = await self._reader.rows(statement("find_snapshot"), (key,))
        return Snapshot(*rows[0]) if rows else None

    async def keep(self, key: str, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of the one before; in a thread, because nobody waits for it."""
        values = (key, snapshot.made_of, snapshot.position, snapshot.event_id, snapshot.state, snapshot.checksum)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._keep, values)

    async def close(self) -> None:
        """Close the file."""
        self._thread.shutdown()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _keep(self, values: tuple[str, str, int, bytes, bytes, bytes]) -> None:
        if self._connection is None:
            self._file.create()
            self._connection = self._file.connect(writing=True)
            self._connection.set_busy_timeout(_BUSY)
        with translated(self._file.path):
            self._connection.execute(statement("keep_snapshot"), values)
