"""A selection as SQL: for each criterion one statement that yields positions in order, by an index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from twofold.engines.sqlite.statements import statement
from twofold.history.boundary import Criterion, Selection
from twofold.history.record import Position

LAST = 2**62


def positions(selection: Selection, after: Position, until: Position, limit: int) -> Iterator[tuple[str, list[Any]]]:
    """Yield statements with their values; together they find the first `limit` selected positions, and others."""
    for criterion in selection.criteria:
        yield from _of_criterion(criterion, after, until, limit)


def fetch(selection: Selection, after: Position, until: Position, limit: int) -> tuple[str, list[Any]]:
    """Return the statement, with its values, that reads the first `limit` selected events."""
    found = list(positions(selection, after, until, limit))
    values = [value for _, bound in found for value in bound]
    return _fetch_text(tuple(sql for sql, _ in found)), [*values, limit]


@lru_cache
def _fetch_text(statements: tuple[str, ...]) -> str:
    union = " UNION ".join(f"SELECT position FROM ({sql})" for sql in statements)
    return statement("fetch").format(positions=union)


def _of_criterion(
    criterion: Criterion, after: Position, until: Position, limit: int
) -> Iterator[tuple[str, list[Any]]]:
    if criterion.tags:
        types = msgspec.json.encode(criterion.types).decode()
        if len(criterion.tags) == 1:
            yield statement("positions_by_tag"), [criterion.tags[0], after, until, types, types, limit]
        else:
            tags = msgspec.json.encode(criterion.tags).decode()
            yield statement("positions_by_tags"), [criterion.tags[0], after, until, types, types, tags, limit]
    elif criterion.types:
        for type_ in criterion.types:
            yield statement("positions_by_type"), [type_, after, until, limit]
    else:
        yield statement("positions_of_all"), [after, until, limit]
