"""BatchTransaction: what a read model's `project` writes its rows with, in the transaction of its checkpoint."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from twofold.errors import StatementFailed
from twofold.statements import Rows, Statements

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class BatchTransaction(Statements):
    """The transaction of one batch of a projection: its rows and its checkpoint are stored together, or not at all.

        await tx.execute(
            "insert into {takings} (shop, total) values (:shop, :price) "
            "on conflict (shop) do update set total = {takings}.total + excluded.total",
            shop=sold.shop, price=sold.price,
        )

    In SQL text, `{takings}` stands for the read model's own table, of the version that is being projected, and the name
    of each of its `tables=` for that one; no other tables are to be written to. Write the text yourself; whatever comes
    from outside goes into `values`, by name. After a statement has failed the transaction takes no other.

    Args:
        names: the tables' names in SQL, by what stands for them.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = names

    async def execute_many(self, sql: str, values: Iterable[Mapping[str, Any]], /) -> int:
        """Run a statement for each of many sets of values; return how many rows all of them changed.

        Raises:
            StatementFailed: the database refused it.
        """
        return sum([(await self._checked(sql, each))[0] for each in values])

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Undo what was done inside the block if it raises; the transaction then takes statements again."""
        await self._run_own("SAVEPOINT attempt")
        try:
            yield
            self.check()
        except BaseException:
            if self.lost is None:
                await self._run_own("ROLLBACK TO attempt")
                await self._run_own("RELEASE attempt")
                self._problem = ""
            raise
        await self._run_own("RELEASE attempt")

    @abstractmethod
    async def _run_own(self, sql: str) -> None:
        """Run a statement of Twofold's own, without values."""

    async def _checked(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        return await super()._checked(_PLACEHOLDER.sub(self._name, sql), values)

    def _name(self, found: re.Match[str]) -> str:
        if found[1] not in self._names:
            known = ", ".join(f"{{{name}}}" for name in self._names)
            raise StatementFailed(problem=f"{found[0]} stands for no table of this read model; expected {known}")
        return self._names[found[1]]
