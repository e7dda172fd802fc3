"""Which statements of an application's own may be run; those are looked at as DuckDB itself parses them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, Literal, TypeAlias

import duckdb
import msgspec

from twofold.engines.duckdb.statements import statement

Use: TypeAlias = Literal["query", "projection"]

OWN = frozenset(("twofold_file", "twofold_projections", "twofold_parked"))
_KINDS: dict[Use, frozenset[str]] = {
    "query": frozenset(("SELECT",)),
    "projection": frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO")),
}
# Functions that make rows of their arguments alone. Others read files, run SQL that they are given, or change settings.
_MAKING_ROWS = frozenset(("unnest", "range", "generate_series", "json_each", "json_tree", "repeat", "repeat_row"))


class Refused(Exception):
    """A statement may not be run; the message says why."""


@lru_cache(maxsize=512)
def check(text: str, use: Use) -> str:
    """Return of what kind a statement is; refuse what is not one statement of the kinds that are of use there.

    Raises:
        Refused: it is another, or several, or calls a function that is not for it.
        duckdb.Error: it is no SQL.
    """
    parser = _parser().cursor()
    statements = parser.extract_statements(text)
    if len(statements) != 1:
        raise Refused(f"expected one statement, found {len(statements)}")
    kind = statements[0].type.name
    if kind not in _KINDS[use]:
        raise Refused(f"expected {' or '.join(sorted(_KINDS[use]))}, found {kind}")
    if use == "projection" and any(name in text.lower() for name in OWN):
        raise Refused("it may read and write rows of its own tables, but not of Twofold's")
    if kind == "SELECT":
        ((tree,),) = parser.execute(statement("tree"), (text,)).fetchall()
        _check_functions(tree)
    return kind


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Return a connection that has no tables, for statements to be parsed and not to be run."""
    return duckdb.connect(":memory:", config={"threads": 1})


def _check_functions(text: str) -> None:
    try:
        tree = msgspec.json.decode(text)
    except RecursionError as error:
        raise Refused("it is nested too deeply") from error
    if tree["error"]:
        raise Refused(str(tree["error_message"]))
    for each in _parts(tree):
        if each.get("type") == "TABLE_FUNCTION":
            name = str(each["function"].get("function_name"))
            if name.lower() not in _MAKING_ROWS:
                raise Refused(f"{name}(…) may not be called for its rows")


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a syntax tree; without recursion, which deep nesting would exhaust."""
    left = [tree]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
