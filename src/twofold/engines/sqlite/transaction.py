"""A handler's own statements on the writing connection of `history.db`, kept apart from the history's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import apsw
import msgspec

from twofold.engines.sqlite.file import translate
from twofold.engines.sqlite.statements import statement
from twofold.errors import StatementFailed
from twofold.history.transaction import Transaction
from twofold.read.column import plain
from twofold.read.transaction import BatchTransaction
from twofold.statements import Rows

_REFUSALS = (
    apsw.SQLError, apsw.BindingsError, apsw.AuthError, apsw.ConstraintError, apsw.MismatchError, apsw.RangeError,
    apsw.TooBigError, apsw.SchemaChangeError,
)  # fmt: skip
_ROWS = frozenset(
    (apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE, apsw.SQLITE_INSERT,
     apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE)
)  # fmt: skip
_TABLES = _ROWS | {
    apsw.SQLITE_CREATE_TABLE, apsw.SQLITE_CREATE_INDEX, apsw.SQLITE_CREATE_VIEW, apsw.SQLITE_CREATE_TRIGGER,
    apsw.SQLITE_DROP_TABLE, apsw.SQLITE_DROP_INDEX, apsw.SQLITE_DROP_VIEW, apsw.SQLITE_DROP_TRIGGER,
    apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_REINDEX, apsw.SQLITE_ANALYZE,
}  # fmt: skip
# SQLite keeps prepared statements by their text and asks nobody when one is used again: this keeps a handler's apart.
_MARK = "/* a handler's own */ "


def tables_in(schema: str) -> frozenset[str]:
    """Return the tables that a file's schema makes, in lower case."""
    return frozenset(name.lower() for name in re.findall(r"CREATE TABLE (\w+)", statement(schema)))


class Guard:
    """Tells SQLite which statements of a connection may be prepared.

    The engine's own always may; a handler's may only read and write rows, those that make tables may make them too, and
    none of them may touch what is Twofold's.

    Args:
        own: the tables that are Twofold's, in lower case.
    """

    def __init__(self, own: frozenset[str]) -> None:
        self._own = own
        self._allowed: frozenset[int] | None = None

    def __call__(self, operation: int, one: str | None, two: str | None, _database: str | None, _by: str | None) -> int:
        """Answer as sqlite3_set_authorizer asks (https://sqlite.org/c3ref/c_alter_table.html)."""
        if self._allowed is None:
            return apsw.SQLITE_OK
        named = {name.lower() for name in (one, two) if name and operation != apsw.SQLITE_FUNCTION}
        if operation in (apsw.SQLITE_READ, apsw.SQLITE_UPDATE):
            named = {(one or "").lower()}
        reserved = self._allowed is _ROWS and any(name.startswith("sqlite_") for name in named)
        if operation not in self._allowed or reserved or named & self._own:
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    @contextmanager
    def only(self, what: Literal["rows", "tables"]) -> Iterator[None]:
        """Inside the block, statements are not the engine's own."""
        self._allowed = _ROWS if what == "rows" else _TABLES
        try:
            yield
        finally:
            self._allowed = None


class Here:
    """Runs statements of an application's own where they are called; nothing is waited for."""

    def __init__(self, connection: apsw.Connection, guard: Guard, path: Path) -> None:
        self._connection = connection
        self._guard = guard
        self._path = path

    def run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        """Run a statement, and return how many rows it changed, and those that it found.

        Raises:
            StatementFailed: it is refused.
            StoreError: the transaction is lost.
        """
        connection, rows = self._connection, Rows()
        names: tuple[str, ...] = ()
        before = connection.total_changes()
        with self._guard.only("rows"), refusals(connection, self._path):
            cursor = connection.execute(_MARK + sql, {name: plain(value) for name, value in values.items()})
            for row in cursor:
                names = names or tuple(column[0] for column in cursor.getdescription())
                rows.append(dict(zip(names, row, strict=True)))
        return (connection.changes() if connection.total_changes() != before else 0), rows


class SqliteTransaction(Transaction):
    """A handler's statements, in the transaction of its events."""

    def __init__(self, here: Here) -> None:
        super().__init__()
        self._here = here

    async def _run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        return self._here.run(sql, values)


class SqliteBatchTransaction(BatchTransaction):
    """A projection's statements, in the transaction of its batch."""

    def __init__(self, here: Here, connection: apsw.Connection, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self._here = here
        self._connection = connection

    async def _run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        return self._here.run(sql, values)

    async def _run_own(self, sql: str) -> None:
        self._connection.execute(sql)


@contextmanager
def refusals(connection: apsw.Connection, path: Path) -> Iterator[None]:
    """Tell what SQLite refuses for its text or its values from what fails for the whole transaction."""
    try:
        yield
    except KeyError as error:
        raise StatementFailed(problem=f"no value was given for :{error.args[0]}") from error
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise StatementFailed(problem=f"a value cannot be used: {error}") from error
    except apsw.Error as error:
        if isinstance(error, _REFUSALS) and connection.in_transaction:
            denied = isinstance(error, apsw.AuthError) or "prohibited" in str(error)
            hint = "; it may read and write rows, but not the history's tables or others of Twofold's" if denied else ""
            raise StatementFailed(problem=f"{error}{hint}") from error
        raise translate(error, path) from error
