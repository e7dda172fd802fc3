"""Reading a file: each statement in a transaction that can write nothing, in one of a few threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

import duckdb

from twofold.engines.duckdb.failure import translated
from twofold.engines.duckdb.file import File
from twofold.errors import StoreFailed

Rows: TypeAlias = list[tuple[Any, ...]]
T = TypeVar("T")
_THREADS = 4
# An interruption is lost on a connection between two statements, so it is repeated.
_AGAIN = 0.001


class Reader:
    """A few connections for reading."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._idle = [file.cursor() for _ in range(_THREADS)]
        self._busy: list[duckdb.DuckDBPyConnection] = []
        self._places = asyncio.Semaphore(_THREADS)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="twofold-duckdb-read")
        self._closed = False

    async def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Rows:
        """Return all rows of a statement.

        Raises:
            StoreError: it fails, or is refused; the cause is what DuckDB raised.
        """
        return await self.snapshot(lambda connection: fetched(connection, sql, values))

    async def snapshot(self, read: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run a function in a transaction that sees one state of the file, and can write nothing (R6).

        Where the caller is cancelled, so is what it waits for.
        """
        async with self._places:
            if self._closed:
                raise StoreFailed(path=str(self._file.path), problem="the file was closed")
            connection = self._idle.pop()
            self._busy.append(connection)
            try:
                return await self._run(connection, read)
            finally:
                self._busy.remove(connection)
                self._idle.append(connection)

    async def close(self) -> None:
        """Interrupt what is read, and close every connection."""
        self._closed = True
        while self._busy:
            for connection in self._busy:
                connection.interrupt()
            await asyncio.sleep(_AGAIN)
        self._threads.shutdown()
        for connection in self._idle:
            connection.close()

    async def _run(self, connection: duckdb.DuckDBPyConnection, read: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, self._in_transaction, connection, read)
        cancelled = False
        while not future.done():
            try:
                await asyncio.wait([future], timeout=_AGAIN if cancelled else None)
            except asyncio.CancelledError:
                cancelled = True
            if cancelled:
                connection.interrupt()
        if cancelled:
            future.exception()
            raise asyncio.CancelledError
        return future.result()

    def _in_transaction(
        self, connection: duckdb.DuckDBPyConnection, read: Callable[[duckdb.DuckDBPyConnection], T]
    ) -> T:
        with translated(self._file.path):
            try:
                connection.execute("BEGIN TRANSACTION READ ONLY")
                return read(connection)
            finally:
                with contextlib.suppress(duckdb.Error):
                    _roll_back(connection)


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """End the transaction, however often that is interrupted."""
    while True:
        try:
            connection.execute("ROLLBACK")
        except duckdb.InterruptException:
            continue
        return


def fetched(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Rows:
    """Return all rows of a statement."""
    return connection.execute(sql, values).fetchall()
