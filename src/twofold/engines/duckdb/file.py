"""Opening `views.duckdb`: once in a process, whoever uses it there, with settings that no statement can undo."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import ClassVar

import duckdb

from twofold.engines.duckdb.failure import translated
from twofold.engines.duckdb.statements import statement
from twofold.errors import ForeignFile, NewerSchema, StoreUnavailable

VERSION = 1
_APPLICATION = "twofold views"
_TABLES = ("schema_file", "schema_projections", "schema_parked")
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # No statement reads or writes another file, or loads code.
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # Else a name in SQL text that is no table's is looked for among the variables of Python.
    "python_enable_replacements": False,
}


class File:
    """A file that this process has open.

    DuckDB lets a process open a file once, so those who use it share this; it is closed when the last one lets it go.

    Attributes:
        path: where it lies.
        turn: held by whoever writes to it.
    """

    _opened: ClassVar[dict[Path, File]] = {}
    _opening = threading.Lock()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.turn = threading.Lock()
        self._uses = 0
        self._connection = self._connect()

    @classmethod
    def open(cls, path: Path) -> File:
        """Return the file, made where there is none; to be closed once for each time it is opened.

        Raises:
            StoreUnavailable, ForeignFile, NewerSchema: it cannot be used; it was not changed.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(path=str(path.parent), problem=error.strerror or str(error)) from error
        path = path.resolve()
        with cls._opening:
            file = cls._opened.get(path) or cls(path)
            cls._opened[path] = file
            file._uses += 1
            return file

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection, with transactions of its own."""
        with translated(self.path):
            return self._connection.cursor()

    def close(self) -> None:
        """Close it, if nobody else uses it."""
        with self._opening:
            self._uses -= 1
            if self._uses == 0:
                del self._opened[self.path]
                self._connection.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        is_new = not self.path.exists()
        if not is_new and not os.access(self.path, os.W_OK):
            raise StoreUnavailable(path=str(self.path), problem="the file cannot be written")
        with translated(self.path):
            connection = duckdb.connect(self.path, config=_SETTINGS)
            try:
                # Times without a zone are taken as of UTC, wherever the machine is.
                connection.execute("SET GLOBAL TimeZone = 'UTC'")
                if is_new or self._is_empty(connection):
                    _make(connection)
                self._check(connection)
                connection.execute("SET lock_configuration = true")
            except BaseException:
                connection.close()
                raise
        return connection

    def _is_empty(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Tell whether a file that was there holds nothing: it was being made when its process ended."""
        tables = {name for (name,) in connection.execute(statement("tables")).fetchall()}
        if tables and "twofold_file" not in tables:
            raise ForeignFile(path=str(self.path), problem=f"it holds other tables: {', '.join(sorted(tables)[:5])}")
        return not tables

    def _check(self, connection: duckdb.DuckDBPyConnection) -> None:
        ((application, version),) = connection.execute(statement("file")).fetchall()
        if application != _APPLICATION:
            raise ForeignFile(path=str(self.path), problem=f"it says that it is {application!r}")
        if version > VERSION:
            raise NewerSchema(path=str(self.path), found=version, known=VERSION)


def _make(connection: duckdb.DuckDBPyConnection) -> None:
    connection.begin()
    for each in _TABLES:
        connection.execute(statement(each))
    connection.execute(statement("file_begin"), (_APPLICATION, VERSION))
    connection.commit()
