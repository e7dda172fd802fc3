"""Statements that queries bring along: their values by name, and the reasons for which the database refuses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from twofold.engines.postgres.named import converted, numbered
from twofold.engines.postgres.server import Server
from twofold.errors import InvalidFilter, StoreError
from twofold.read.table import Row, Table

_TEXTS_KNOWN = 1000
# Of SQLSTATE: wrong values, wrong statements, a transaction that cannot write, limits of the parser.
_REFUSALS = ("0A", "22", "25", "2B", "42", "54")


class Inquiries:
    """Runs SELECT statements whose text is the application's, as a role that cannot write.

    Args:
        reader: the database as that role.
    """

    def __init__(self, reader: Server) -> None:
        self._reader = reader
        self._kinds: dict[str, Sequence[str]] = {}

    async def rows(self, table: Table[Any], text: str, values: Mapping[str, Any]) -> Sequence[Row]:
        """Return what a statement finds.

        Args:
            table: what it asks, as errors name it.
            text: the whole statement, with `:name` for a value.
            values: by their names.

        Raises:
            InvalidFilter: the text is refused by the database, or a value does not fit.
        """
        sql, names = numbered(text)
        missing = [name for name in names if name not in values]
        if missing:
            raise InvalidFilter(model=table.name, problem=f"no value was given for :{missing[0]}")
        try:
            kinds = await self._kinds_of(sql)
            if len(kinds) != len(names):
                problem = "write :name for a value, and give it by that name; there is no other parameter"
                raise InvalidFilter(model=table.name, problem=problem)
            bound = [converted(values[name], kind) for name, kind in zip(names, kinds, strict=True)]
            return list(map(tuple, await self._reader.inspect(sql, *bound)))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise InvalidFilter(model=table.name, problem=f"a value cannot be used: {error}") from error
        except StoreError as error:
            cause = error.__cause__
            if isinstance(cause, asyncpg.PostgresError) and (cause.sqlstate or "").startswith(_REFUSALS):
                problem = f"the SQL text is refused: {cause.args[0]}"
                raise InvalidFilter(model=table.name, problem=problem) from error
            raise

    async def _kinds_of(self, sql: str) -> Sequence[str]:
        """Return the types that the database infers for the parameters of a statement."""
        kinds = self._kinds.get(sql)
        if kinds is None:
            async with self._reader.transaction() as connection:
                prepared = await connection.prepare(sql)
                kinds = [kind.name for kind in prepared.get_parameters()]
            if len(self._kinds) >= _TEXTS_KNOWN:
                self._kinds.clear()
            self._kinds[sql] = kinds
        return kinds
