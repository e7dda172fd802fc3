"""Statements: an application's own SQL, run inside a transaction of Twofold's."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from twofold.errors import StatementFailed, StoreError

Rows: TypeAlias = list[dict[str, Any]]

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*(\w*)", re.DOTALL)
_ALLOWED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "MERGE", "REPLACE")


_PARTS = re.compile(
    r"""
      [eE]'(?:[^'\\]|\\.|'')*'          # a string with escapes
    | '(?:[^']|'')*'                    # a string
    | "(?:[^"]|"")*"                    # a quoted name
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$   # a dollar-quoted string
    | --[^\n]*                          # comments
    | /\*.*?\*/
    | ::                                # a cast
    | :(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def with_names(text: str, stands: Callable[[str], str]) -> str:
    """Return SQL text with something else for each `:name` of a value; strings, comments and casts are left alone.

    Args:
        text: the text.
        stands: returns what stands for a name.
    """
    return _PARTS.sub(lambda found: found[0] if found["name"] is None else stands(found["name"]), text)


class Statements(ABC):
    """Statements that read and write rows, inside a transaction that somebody else begins and ends."""

    def __init__(self) -> None:
        self._problem = ""
        self.lost: StoreError | None = None

    async def execute(self, sql: str, /, **values: Any) -> int:
        """Run a statement and return how many rows it inserted, changed or deleted.

        Raises:
            StatementFailed: the database refused it.
        """
        return (await self._checked(sql, values))[0]

    async def fetch(self, sql: str, /, **values: Any) -> Rows:
        """Run a statement and return its rows, each as values by the names of the columns.

        Raises:
            StatementFailed: the database refused it.
        """
        return (await self._checked(sql, values))[1]

    def check(self) -> None:
        """Refuse to go on where a statement has failed.

        Raises:
            StatementFailed: one has.
            StoreError: the transaction is lost, and nothing of it can be stored.
        """
        if self.lost is not None:
            raise self.lost
        if self._problem:
            raise StatementFailed(problem=self._problem)

    def end(self) -> None:
        """Take no more statements."""
        self._problem = self._problem or "the transaction has ended with its handler"

    @abstractmethod
    async def _run(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        """Run a statement; raises StatementFailed where it is refused, a StoreError where nothing can be stored."""

    async def _checked(self, sql: str, values: Mapping[str, Any]) -> tuple[int, Rows]:
        self.check()
        word = _FIRST_WORD.match(sql)
        try:
            if word is None or word[1].upper() not in _ALLOWED:
                raise StatementFailed(problem=f"expected a statement that begins with one of {', '.join(_ALLOWED)}")
            return await self._run(sql, values)
        except StatementFailed as error:
            self._problem = f"an earlier statement failed: {error.problem}"
            raise
        except StoreError as error:
            self.lost = error
            raise
