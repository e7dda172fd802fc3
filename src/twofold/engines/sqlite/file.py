"""Opening SQLite files safely: the right library, the right file, the right settings, read back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from twofold.errors import (
    ForeignFile,
    NewerSchema,
    StoreBusy,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreUnavailable,
    UnsafeSqlite,
)

_SAFE_SQLITE = (3, 51, 3)
_OPENING_TIMEOUT = 5.0


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into this project's errors."""
    try:
        yield
    except apsw.Error as error:
        raise translate(error, path) from error


def translate(error: apsw.Error, path: Path) -> StoreError:
    """Return the error of this project that says what SQLite's means for the caller."""
    problem = str(error)
    match error:
        case apsw.NotADBError() | apsw.CorruptError():
            return ForeignFile(path=str(path), problem=problem)
        case apsw.FullError():
            return StoreFull(path=str(path))
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusy(path=str(path), waited=_OPENING_TIMEOUT)
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError():
            return StoreUnavailable(path=str(path), problem=f"{problem}; check that it exists and may be written")
        case _:
            return StoreFailed(path=str(path), problem=problem)


def check_library() -> None:
    """Refuse a SQLite with the WAL-reset bug (https://sqlite.org/wal.html#walresetbug), fixed in 3.51.3.

    Raises:
        UnsafeSqlite: this process has an older one.
    """
    found = apsw.sqlite_lib_version()
    if tuple(int(part) for part in found.split(".")) < _SAFE_SQLITE:
        raise UnsafeSqlite(found=found, needed=".".join(map(str, _SAFE_SQLITE)))


_READING = frozenset((apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE))


def _only_reading(operation: int, first: str | None, second: str | None, *_: str | None) -> int:
    # A full-text index asks by itself whether the file has changed.
    asks = operation == apsw.SQLITE_PRAGMA and (first, second) == ("data_version", None)
    return apsw.SQLITE_OK if operation in _READING or asks else apsw.SQLITE_DENY


class File:
    """One SQLite file of this engine.

    Args:
        path: where it lies; its folder is made when `create` is called.
        application_id: what SQLite's header says the file is for.
        version: the schema's version, kept in `user_version`.
        schema: the statements that make a new file.
        migrations: the statements that bring a file of an older version to the next, by the version they lead to.
        functions: what those may call, by name.
        durable: True to sync at every commit, False where the content can be made anew from the history.
    """

    def __init__(
        self,
        path: Path,
        *,
        application_id: int,
        version: int,
        schema: str,
        durable: bool,
        migrations: Mapping[int, str] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.path = path
        self._application_id = application_id
        self._version = version
        self._schema = schema
        self._migrations = migrations or {}
        self._functions = functions or {}
        self._synchronous = "FULL" if durable else "NORMAL"

    def create(self) -> None:
        """Make the file where there is none, else check that it is ours, and bring it to this version.

        Raises:
            UnsafeSqlite, StoreUnavailable, ForeignFile, NewerSchema: it cannot be used; it was not changed.
            StoreFull, StoreBusy, StoreFailed: it could not be brought to this version; it was not changed.
        """
        check_library()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(path=str(self.path.parent), problem=error.strerror or str(error)) from error
        if not os.access(self.path.parent, os.W_OK):
            raise StoreUnavailable(path=str(self.path.parent), problem="the folder cannot be written")
        with translated(self.path):
            connection = apsw.Connection(str(self.path))
            try:
                connection.set_busy_timeout(int(_OPENING_TIMEOUT * 1000))
                found = self._check(connection)
                if found == 0:
                    self._make(connection)
                elif found < self._version:
                    self._migrate(connection)
            finally:
                connection.close()

    def connect(self, *, writing: bool) -> apsw.Connection:
        """Return a connection with every setting that safety rests on.

        A connection that is not for writing cannot write: the file is opened read-only, `query_only` is set, and
        every statement but a SELECT is refused, so that none can hold a transaction open or undo a setting either.
        """
        flags = apsw.SQLITE_OPEN_READWRITE if writing else apsw.SQLITE_OPEN_READONLY
        with translated(self.path):
            connection = apsw.Connection(str(self.path), flags=flags, statementcachesize=512)
            # Another process may just be recovering the file, or closing it as the last one.
            connection.set_busy_timeout(int(_OPENING_TIMEOUT * 1000))
            # Without this, SQLite compiles a statement anew whenever a value that is bound to it has changed, in case
            # another plan suits it better: four fifths of the time of a short query.
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            connection.execute("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384")
            if writing:
                connection.execute(f"PRAGMA synchronous = {self._synchronous}")
                wanted = {"FULL": 2, "NORMAL": 1}[self._synchronous]
                found = connection.pragma("synchronous")
                if found != wanted:
                    raise StoreUnavailable(
                        path=str(self.path), problem=f"PRAGMA synchronous is {found} although {wanted} was set"
                    )
            else:
                connection.execute("PRAGMA query_only = ON")
            self._check(connection)
            if writing:
                # The writer waits by itself, so that the event loop goes on meanwhile.
                connection.set_busy_timeout(0)
            else:
                connection.authorizer = _only_reading
        return connection

    def _check(self, connection: apsw.Connection) -> int:
        """Return the version of the file's schema, 0 where there is none yet."""
        # In this order: another process may make the file between any two of these, in one transaction.
        empty = not connection.execute("SELECT count(*) FROM sqlite_schema").get
        version, application_id = connection.pragma("user_version"), connection.pragma("application_id")
        if application_id == 0 and version == 0 and empty:
            return 0
        if application_id != self._application_id:
            raise ForeignFile(
                path=str(self.path), problem=f"it carries application id {application_id}, not {self._application_id}"
            )
        if int(version) > self._version:
            raise NewerSchema(path=str(self.path), found=version, known=self._version)
        return int(version)

    def _migrate(self, connection: apsw.Connection) -> None:
        """Bring the file to this version in one transaction, unless another process was first."""
        connection.execute("PRAGMA synchronous = FULL")
        for name, function in self._functions.items():
            connection.create_scalar_function(name, function, deterministic=True)
        connection.execute("BEGIN IMMEDIATE")
        for version in range(self._check(connection) + 1, self._version + 1):
            connection.execute(self._migrations[version])
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")

    def _make(self, connection: apsw.Connection) -> None:
        mode = _in_wal_mode(connection)
        if mode != "wal":
            raise StoreUnavailable(
                path=str(self.path),
                problem=f"journal mode is {mode} although WAL was set; is this a network file system?",
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        if self._check(connection) == 0:
            connection.execute(self._schema)
            connection.execute(f"PRAGMA application_id = {self._application_id}")
            connection.execute(f"PRAGMA user_version = {self._version}")
        connection.execute("COMMIT")


def _in_wal_mode(connection: apsw.Connection) -> str:
    """Set the journal mode and return what it is then.

    For this, SQLite does not wait by itself where another process has the file open, as one that makes it too.
    """
    deadline = time.monotonic() + _OPENING_TIMEOUT
    while True:
        try:
            return str(connection.pragma("journal_mode", "wal"))
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
