"""The one connection of a process that writes a file: statements here, COMMIT in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import apsw

from twofold.engines.sqlite.file import File, translate, translated
from twofold.errors import StoreBusy, StoreError

_PATIENCE = 10.0


class CommitFailed(Exception):
    """COMMIT raised, so what became of the transaction is not known yet; `error` says what it raised."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


class Writer:
    """Runs one transaction at a time on the file's writing connection."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._connection: apsw.Connection | None = file.connect(writing=True)
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"twofold-commit-{file.path.stem}")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[apsw.Connection]:
        """Give the connection inside a transaction, commit at the end of the block, roll back if it raises.

        The block must not wait for anything. A cancelled caller waits for a COMMIT that is under way.

        Raises:
            StoreBusy: another process held the lock for 10 s.
            StoreFull, StoreFailed: a statement failed; nothing was stored.
            CommitFailed: it may or may not be stored; look it up on another connection.
        """
        async with self._lock:
            connection = await self._begin()
            try:
                with translated(self._file.path):
                    yield connection
            except BaseException:
                self._roll_back(connection)
                raise
            await self._commit(connection)

    async def close(self) -> None:
        """Close the connection when the transaction under way has ended."""
        async with self._lock:
            self._drop()
            self._thread.shutdown()

    async def _begin(self) -> apsw.Connection:
        loop = asyncio.get_running_loop()
        started = loop.time()
        pause = 0.0002
        while True:
            try:
                connection = self._connection = self._connection or self._file.connect(writing=True)
                connection.execute("BEGIN IMMEDIATE")
            except apsw.BusyError as error:
                if loop.time() - started > _PATIENCE:
                    raise StoreBusy(path=str(self._file.path), waited=loop.time() - started) from error
                await asyncio.sleep(pause * (0.5 + random.random()))
                pause = min(pause * 1.5, 0.02)
            except apsw.Error as error:
                raise translate(error, self._file.path) from error
            else:
                return connection

    async def _commit(self, connection: apsw.Connection) -> None:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, connection.execute, "COMMIT")
        cancelled = False
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                cancelled = True
        error = future.exception()
        if isinstance(error, apsw.Error):
            self._drop()
            raise CommitFailed(translate(error, self._file.path)) from error
        if error is not None:
            raise error
        if cancelled:
            raise asyncio.CancelledError

    def _roll_back(self, connection: apsw.Connection) -> None:
        if connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                connection.execute("ROLLBACK")
        if connection.in_transaction:
            self._drop()

    def _drop(self) -> None:
        # After a failed sync the kernel has dropped the dirty pages: the same handle must not be asked again.
        if self._connection is not None:
            with contextlib.suppress(apsw.Error):
                self._connection.close(True)
        self._connection = None
