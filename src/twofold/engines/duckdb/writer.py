"""The transactions that change a file, one at a time; each step of one runs in a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

import duckdb

from twofold.engines.duckdb.failure import translate, translated
from twofold.engines.duckdb.file import File
from twofold.errors import StoreError

P = ParamSpec("P")
T = TypeVar("T")
_PAUSE = 0.001


class CommitFailed(Exception):
    """COMMIT raised, so what became of the transaction is not known yet; `error` says what it raised."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


class Steps:
    """The transaction under way: what is done in it is done in the file's writing thread, one step after another."""

    def __init__(self, file: File, connection: duckdb.DuckDBPyConnection, thread: ThreadPoolExecutor) -> None:
        self.file = file
        self._connection = connection
        self._thread = thread

    async def run(
        self, function: Callable[Concatenate[duckdb.DuckDBPyConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function with the connection, to its end even if cancelled meanwhile.

        Raises:
            duckdb.Error, whatever else the function raises.
        """

        def step() -> T:
            return function(self._connection, *args, **kwargs)

        future = asyncio.get_running_loop().run_in_executor(self._thread, step)
        cancelled = False
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            future.exception()
            raise asyncio.CancelledError
        return future.result()


class Writer:
    """Runs one transaction at a time, among all who have the file open in this process."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._connection = file.cursor()
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="twofold-duckdb-write")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Steps]:
        """Begin a transaction, commit it at the end of the block, roll it back if the block raises.

        Raises:
            StoreFull, StoreFailed: a statement failed; nothing was stored.
            CommitFailed: it may or may not be stored; look it up.
        """
        async with self._lock, self._turn():
            steps = Steps(self._file, self._connection, self._thread)
            try:
                with translated(self._file.path):
                    await steps.run(duckdb.DuckDBPyConnection.begin)
                    yield steps
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    await steps.run(duckdb.DuckDBPyConnection.rollback)
                raise
            try:
                await steps.run(duckdb.DuckDBPyConnection.commit)
            except duckdb.Error as error:
                with contextlib.suppress(duckdb.Error):
                    await steps.run(duckdb.DuckDBPyConnection.rollback)
                raise CommitFailed(translate(error, self._file.path)) from error

    async def close(self) -> None:
        """Close the connection when the transaction under way has ended."""
        async with self._lock:
            self._thread.shutdown()
            self._connection.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for others in this process who have the file open, on whatever event loop."""
        # Not in a thread: who is cancelled meanwhile must not have taken it.
        while not self._file.turn.acquire(blocking=False):  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE)
        try:
            yield
        finally:
            self._file.turn.release()
