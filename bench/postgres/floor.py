"""The floor on PostgreSQL: the rows that a node wrote, put in by plain asyncpg with nothing around them.

No lock, no condition, no command id is looked up: three INSERTs of arrays a transaction, under the same indexes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from bench.result import check

_TABLES = ("events", "tags", "ledger")


class Rows(msgspec.Struct, frozen=True):
    """A table's columns with their types, and its rows in the order of their positions."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


def rows_written(url: str) -> dict[str, Rows]:
    """Read what a node wrote, as a template."""
    return asyncio.run(_rows_written(url))


async def _rows_written(url: str) -> dict[str, Rows]:
    connection = await asyncpg.connect(url)
    try:
        found: dict[str, Rows] = {}
        for table in _TABLES:
            columns = await connection.fetch(
                "SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a "
                "WHERE a.attrelid = ('history.' || $1)::regclass AND a.attnum > 0 AND NOT a.attisdropped "
                "AND a.attidentity = '' AND a.attgenerated = '' ORDER BY a.attnum",
                table,
            )
            names = [str(column[0]) for column in columns]
            quoted = ", ".join(f'"{name}"' for name in names)
            rows = await connection.fetch(f"SELECT {quoted} FROM history.{table} ORDER BY position")
            types = [str(column[1]) for column in columns]
            found[table] = Rows(names, types, [tuple(row) for row in rows])
        return found
    finally:
        await connection.close()


def insert(url: str, template: dict[str, Rows], *, seed: int, batch: int) -> float:
    """Insert a template's rows, so many positions a transaction; return the seconds of those after `seed`."""
    return asyncio.run(_insert(url, template, seed, batch))


async def _insert(url: str, template: dict[str, Rows], seed: int, batch: int) -> float:
    connection = await asyncpg.connect(url)
    try:
        last = len(template["events"].rows)
        statements = {name: await connection.prepare(_statement(name, rows)) for name, rows in template.items()}
        await _all(connection, statements, _batches(template, 0, seed, 1_000))
        prepared = _batches(template, seed, last, batch)
        started = time.perf_counter()
        await _all(connection, statements, prepared)
        seconds = time.perf_counter() - started
        stored = await connection.fetchval("SELECT count(*) FROM history.events")
        check(stored == last, f"the floor stored {stored} of {last} events")
        return seconds
    finally:
        await connection.close()


def _statement(name: str, rows: Rows) -> str:
    columns = ", ".join(f'"{column}"' for column in rows.columns)
    arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(rows.types, 1))
    return f"INSERT INTO history.{name} ({columns}) SELECT * FROM unnest({arrays})"


def _batches(
    template: dict[str, Rows], after: int, until: int, size: int
) -> list[list[tuple[str, list[tuple[Any, ...]]]]]:
    # One event, one tag and one ledger row a command: the n-th rows of the tables belong together.
    return [
        [(name, _columns(rows.rows[start : min(start + size, until)])) for name, rows in template.items()]
        for start in range(after, until, size)
    ]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True))


async def _all(
    connection: asyncpg.Connection[Any],
    statements: dict[str, Any],
    batches: Sequence[Sequence[tuple[str, list[tuple[Any, ...]]]]],
) -> None:
    for batch in batches:
        async with connection.transaction():
            for name, columns in batch:
                await statements[name].fetch(*columns)
