"""Looking into SQLite files from outside, as any other tool would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw


@contextmanager
def reading(file: Path) -> Iterator[apsw.Connection]:
    """Give a connection that cannot write, and close it (apsw's own `with` only ends a transaction)."""
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield connection
    finally:
        connection.close()


def rows_of(file: Path, statement: str) -> list[tuple[Any, ...]]:
    """Return all rows of a statement."""
    with reading(file) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
        return rows
