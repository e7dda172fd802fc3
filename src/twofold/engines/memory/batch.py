"""Tables in memory for read models that project with SQL of their own: a SQLite database without a file for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw
import msgspec

from twofold.errors import StatementFailed
from twofold.read.column import plain
from twofold.read.store import Parked, Work
from twofold.read.table import Row, Table
from twofold.read.transaction import BatchTransaction
from twofold.statements import Rows

_ROWS = frozenset(
    (apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE, apsw.SQLITE_INSERT,
     apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE)
)  # fmt: skip


def _only_rows(operation: int, *_: str | None) -> int:
    return apsw.SQLITE_OK if operation in _ROWS else apsw.SQLITE_DENY


class MemoryBatchTransaction(BatchTransaction):
    """Statements in the transaction of a batch."""

    def __init__(self, connection: apsw.Connection, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self._connection = connection

    async def _run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        connection, rows, before = self._connection, Rows(), self._connection.total_changes()
        connection.authorizer = _only_rows
        try:
            cursor = connection.execute(sql, {name: plain(value) for name, value in values.items()})
            for row in cursor:
                rows.append(dict(zip((column[0] for column in cursor.getdescription()), row, strict=True)))
        except KeyError as error:
            raise StatementFailed(problem=f"no value was given for :{error.args[0]}") from error
        except (apsw.Error, msgspec.MsgspecError, TypeError, ValueError) as error:
            raise StatementFailed(problem=str(error)) from error
        finally:
            connection.authorizer = None
        return connection.total_changes() - before, rows

    async def _run_own(self, sql: str) -> None:
        self._connection.execute(sql)


class BatchTables:
    """The tables of one read model."""

    def __init__(self, table: Table[Any]) -> None:
        self._columns = ", ".join(f'"{column.name}"' for column in table.columns)
        self._name = f'"{table.live_name}"'
        self._names = {table.live_name: self._name, **{name: f'"further_{name}"' for name in table.tables}}
        self._connection = apsw.Connection(":memory:")
        keys = ", ".join(f'"{name}"' for name in table.key)
        self._connection.execute(f"CREATE TABLE {self._name} ({self._columns}, PRIMARY KEY ({keys}))")
        for name, columns in table.tables.items():
            self._connection.execute(f"CREATE TABLE {self._names[name]} ({columns})")

    async def run(self, work: Work) -> tuple[Sequence[Parked], Sequence[Row]]:
        """Run the work of a batch; return what is to be parked, and all rows as they are then."""
        transaction = MemoryBatchTransaction(self._connection, self._names)
        self._connection.execute("BEGIN")
        try:
            parked = await work(transaction)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        finally:
            transaction.end()
        self._connection.execute("COMMIT")
        return parked, self._connection.execute(f"SELECT {self._columns} FROM {self._name}").fetchall()
