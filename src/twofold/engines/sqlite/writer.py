"""The one connection of a process that writes a file: statements here, COMMIT in a thread unless it is short."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeAlias

import apsw

from twofold.engines.sqlite.file import File, translate, translated
from twofold.errors import StoreBusy, StoreError, StoreFailed, StoreFull

_PATIENCE = 10.0
_QUICK = 0.001
_CHECKPOINT_PAGES = 4000
_HANDOVER = 0.002
_LOOK = 0.002
_TURN = 0.05
_WAY = 0.002
Authorizer: TypeAlias = Callable[[int, str | None, str | None, str | None, str | None], int]


class CommitFailed(Exception):
    """COMMIT raised, so what became of the transaction is not known yet; `error` says what it raised.

    `wrote_nothing` tells that no space was left for its last page, without which it is none.
    """

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error
        self.wrote_nothing = isinstance(error, StoreFull)


class Writer:
    """Runs one transaction at a time on the file's writing connection.

    Args:
        file: which one.
        authorizer: tells which statements may be prepared; all, if left out.
    """

    def __init__(self, file: File, authorizer: Authorizer | None = None) -> None:
        self._file = file
        self._authorizer = authorizer
        self._connection: apsw.Connection | None = None
        self._closed = False
        self._wal_pages = 0
        self._usual = 0.0
        self._wants_turn = False
        self._turn: asyncio.TimerHandle | None = None
        self._gives_way = False
        self._connect()
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"twofold-commit-{file.path.stem}")

    @asynccontextmanager
    async def transaction(self, *, short: bool = False) -> AsyncIterator[apsw.Connection]:
        """Give the connection inside a transaction, commit at the end of the block, roll back if it raises.

        While the block waits for anything, nobody else can write to the file. A cancelled caller waits for a COMMIT
        that is under way. A `short` transaction writes a few rows: it is committed in place for as long as such commits
        take less than 1 ms, because two hops between threads would cost as much.

        Raises:
            StoreBusy: another process held the lock for 10 s.
            StoreFull, StoreFailed: a statement failed; nothing was stored.
            CommitFailed: it may or may not be stored; look it up on another connection.
        """
        async with self._lock:
            connection = await self._begin()
            changes = connection.total_changes()
            try:
                with translated(self._file.path):
                    yield connection
            except BaseException:
                self._roll_back(connection)
                raise
            if self._wants_turn and connection.total_changes() == changes:
                # Nothing is to be committed, and nobody can come between.
                self._hold_turn()
                return
            if short and self._usual < _QUICK:
                self._commit_here(connection)
            else:
                await self._commit(connection, short=short)
            if self._wal_pages >= _CHECKPOINT_PAGES:
                await self._checkpoint(connection)
            self._take_turn(connection)

    def keep_turn(self) -> None:
        """Keep other processes out, after the transaction under way, until the next one or for 50 ms.

        For whoever lost to them: it tries again on what it knows then, which is the latest. Else one that is always
        ready first would win every time, for as long as it has work. After its turn it gives way: it does not ask again
        until others have had the time to look.
        """
        self._wants_turn = True

    async def close(self) -> None:
        """Close the connection when the transaction under way has ended."""
        async with self._lock:
            self._closed = True
            self._end_turn()
            self._drop()
            self._thread.shutdown()

    async def _begin(self) -> apsw.Connection:
        if self._closed:
            raise StoreFailed(path=str(self._file.path), problem="the file was closed")
        if self._turn is not None and self._connection is not None:
            self._turn.cancel()
            self._turn = None
            self._gives_way = True
            return self._connection
        if self._gives_way:
            self._gives_way = False
            await asyncio.sleep(_WAY)
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            try:
                connection = self._connection or self._connect()
                connection.execute("BEGIN IMMEDIATE")
            except apsw.BusyError as error:
                if loop.time() - started > _PATIENCE:
                    raise StoreBusy(path=str(self._file.path), waited=loop.time() - started) from error
                # Not more and more seldom: who has waited for long would come last.
                await asyncio.sleep(_LOOK * random.random())
            except apsw.Error as error:
                raise translate(error, self._file.path) from error
            else:
                return connection

    def _take_turn(self, connection: apsw.Connection) -> None:
        if self._wants_turn:
            with contextlib.suppress(apsw.Error):
                connection.execute("BEGIN IMMEDIATE")
                self._hold_turn()
        self._wants_turn = False

    def _hold_turn(self) -> None:
        self._wants_turn = False
        self._turn = asyncio.get_running_loop().call_later(_TURN, self._end_turn)

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
            if self._connection is not None:
                self._roll_back(self._connection)

    def _commit_here(self, connection: apsw.Connection) -> None:
        started = time.perf_counter()
        try:
            connection.execute("COMMIT")
        except apsw.Error as error:
            raise self._failed(error) from error
        self._observe(time.perf_counter() - started)

    async def _commit(self, connection: apsw.Connection, *, short: bool) -> None:
        started = time.perf_counter()
        cancelled = await self._in_thread(connection.execute, "COMMIT")
        if short:
            self._observe(time.perf_counter() - started)
        if cancelled:
            raise asyncio.CancelledError

    async def _in_thread(self, function: Callable[..., object], *arguments: object) -> bool:
        """Run a function to its end, even if cancelled meanwhile; tells whether that was so."""
        begun = threading.Event()

        def run() -> None:
            begun.set()
            function(*arguments)

        future = asyncio.get_running_loop().run_in_executor(self._thread, run)
        # Else the thread would wait for CPython's lock until the event loop has nothing to do, and the disk with it:
        # 1.3 ms of every commit, measured with 100 commands in flight.
        begun.wait(_HANDOVER)
        cancelled = False
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                cancelled = True
        error = future.exception()
        if isinstance(error, apsw.Error):
            raise self._failed(error) from error
        if error is not None:
            raise error
        return cancelled

    async def _checkpoint(self, connection: apsw.Connection) -> None:
        # SQLite would do it inside the COMMIT that crosses the limit, on the event loop if that one is short.
        self._wal_pages = 0

        def run() -> None:
            with contextlib.suppress(apsw.Error):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

        if await self._in_thread(run):
            raise asyncio.CancelledError

    def _observe(self, seconds: float) -> None:
        self._usual += (seconds - self._usual) / 8

    def _failed(self, error: apsw.Error) -> CommitFailed:
        self._drop()
        return CommitFailed(translate(error, self._file.path))

    def _connect(self) -> apsw.Connection:
        connection = self._connection = self._file.connect(writing=True)
        connection.set_wal_hook(self._note_wal)
        connection.authorizer = self._authorizer
        return connection

    def _note_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

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
