"""Reading a file: short statements are answered in place, long ones are interrupted and done again in a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import apsw

from twofold.engines.sqlite.file import File, translate

Rows: TypeAlias = list[tuple[Any, ...]]

_BUDGET = 0.01
_STEPS = 5_000


class Reader:
    """Read-only connections to a file: one for the event loop, and one for each of a few threads."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._here = file.connect(writing=False)
        self._deadline = 0.0
        self._here.set_progress_handler(lambda: time.perf_counter() > self._deadline, _STEPS)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix=f"twofold-read-{file.path.stem}")
        self._local = threading.local()
        self._opened: list[apsw.Connection] = []

    async def rows(self, sql: str, bindings: Sequence[Any] | dict[str, Any] = ()) -> Rows:
        """Return all rows of a statement, wherever they are found."""
        try:
            return self._found(self._here.execute, sql, bindings, _BUDGET)
        except apsw.InterruptError:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._elsewhere, sql, bindings)

    def short(self, sql: str, bindings: Sequence[Any] | dict[str, Any] = ()) -> Rows:
        """Return all rows of a statement that reads a few, here and now; on a busy machine it may wait for its turn."""
        return self._found(self._here.execute, sql, bindings, float("inf"))

    def each(self, sql: str, bindings: Sequence[Sequence[Any]]) -> Rows:
        """Return all rows of a statement, run once for each of several bindings, here and now."""
        return self._found(self._here.executemany, sql, bindings, float("inf"))

    def _found(self, run: Callable[[str, Any], apsw.Cursor], sql: str, bindings: Any, budget: float) -> Rows:
        self._deadline = time.perf_counter() + budget
        try:
            return run(sql, bindings).fetchall()
        except apsw.InterruptError:
            raise
        except apsw.Error as error:
            raise translate(error, self._file.path) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Inside the block, short statements see one state of the file."""
        self._of_its_own("BEGIN")
        try:
            yield
        finally:
            self._of_its_own("ROLLBACK")

    def close(self) -> None:
        """Close every connection."""
        self._threads.shutdown()
        for connection in (self._here, *self._opened):
            connection.close()

    def _of_its_own(self, sql: str) -> None:
        self._deadline = float("inf")
        # What comes from outside may not begin or end transactions on this connection.
        authorizer, self._here.authorizer = self._here.authorizer, None
        try:
            self._here.execute(sql)
        finally:
            self._here.authorizer = authorizer

    def _elsewhere(self, sql: str, bindings: Sequence[Any] | dict[str, Any]) -> Rows:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._file.connect(writing=False)
                self._opened.append(connection)
            return connection.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise translate(error, self._file.path) from error
