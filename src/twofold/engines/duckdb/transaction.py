"""A projection's statements, in the transaction of its batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import duckdb
import msgspec

from twofold.engines.duckdb.failure import FAILURES, first_line, translate, translated
from twofold.engines.duckdb.guard import Refused, check
from twofold.engines.duckdb.named import with_values
from twofold.engines.duckdb.writer import Steps
from twofold.errors import StatementFailed
from twofold.read.column import plain
from twofold.read.transaction import BatchTransaction
from twofold.statements import Rows

Values: TypeAlias = Mapping[str, Any]


class DuckDbBatchTransaction(BatchTransaction):
    """Statements of a read model's own.

    DuckDB has no savepoints, and a statement that fails ends its transaction. So an attempt that failed is undone by
    rolling everything back, and doing again what was done before it.

    Args:
        steps: the transaction.
        names: see `BatchTransaction`.
        before: what was done in the transaction before.
    """

    def __init__(
        self, steps: Steps, names: Mapping[str, str], before: Callable[[duckdb.DuckDBPyConnection], object]
    ) -> None:
        super().__init__(names)
        self._steps = steps
        self._before = before
        self._done: list[tuple[str, dict[str, Any]]] = []
        self._attempts: list[int] = []

    async def _run(self, sql: str, values: Values) -> tuple[int, Rows]:
        try:
            text, bound = with_values(sql, {name: _bound(value) for name, value in values.items()})
            changed, rows = await self._steps.run(_execute, text, bound)
        except KeyError as error:
            raise StatementFailed(problem=f"no value was given for :{error.args[0]}") from error
        except Refused as error:
            raise StatementFailed(problem=str(error)) from error
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise StatementFailed(problem=f"a value cannot be used: {error}") from error
        except FAILURES as error:
            raise translate(error, self._steps.file.path) from error
        except duckdb.Error as error:
            raise StatementFailed(problem=first_line(error)) from error
        self._done.append((text, bound))
        return changed, rows

    async def _run_own(self, sql: str) -> None:
        match sql.partition(" ")[0]:
            case "SAVEPOINT":
                self._attempts.append(len(self._done))
            case "ROLLBACK":
                del self._done[self._attempts[-1] :]
                with translated(self._steps.file.path):
                    await self._steps.run(self._do_again)
            case _:
                self._attempts.pop()

    def _do_again(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.rollback()
        connection.begin()
        self._before(connection)
        for text, bound in self._done:
            connection.execute(text, bound)


def _execute(connection: duckdb.DuckDBPyConnection, text: str, bound: Values) -> tuple[int, Rows]:
    kind = check(text, "projection")
    connection.execute(text, bound)
    changed = connection.rowcount
    if changed >= 0:
        return changed, Rows()
    names = [column[0] for column in connection.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
    return (0 if kind == "SELECT" else len(rows)), rows


def _bound(value: Any) -> Any:
    """Return a value as DuckDB is given it; a list is one of its own, to be unnested."""
    return [_bound(each) for each in value] if isinstance(value, list | tuple) else plain(value)
