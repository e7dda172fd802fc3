"""The floor on PostgreSQL: the rows that a node wrote, put in by plain asyncpg with nothing around them.

No lock, no condition, no command id is looked up: one call inserts arrays into all tables, under the same indexes.
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


def insert_in_stages(url: str, template: dict[str, Rows], stages: Sequence[tuple[int, int]]) -> list[float]:
    """Insert a template's rows, stage by stage up to a position, so many to a call; return each stage's seconds."""
    return asyncio.run(_insert(url, template, stages))


async def _insert(url: str, template: dict[str, Rows], stages: Sequence[tuple[int, int]]) -> list[float]:
    connection = await asyncpg.connect(url)
    try:
        prepared = await connection.prepare(_statement(template))
        seconds: list[float] = []
        after = 0
        for until, batch in stages:
            calls = [_columns(template, start, min(start + batch, until)) for start in range(after, until, batch)]
            started = time.perf_counter()
            for columns in calls:
                await prepared.fetch(*columns)
            seconds.append(time.perf_counter() - started)
            after = until
        await _check_stored(connection, template)
        return seconds
    finally:
        await connection.close()


def _statement(template: dict[str, Rows]) -> str:
    """Return one statement that inserts into all tables: a call, a transaction, a round trip."""
    inserts: list[str] = []
    number = 0
    for name, rows in template.items():
        columns = ", ".join(f'"{column}"' for column in rows.columns)
        arrays = ", ".join(f"${number + place}::{type_}[]" for place, type_ in enumerate(rows.types, 1))
        inserts.append(f"INSERT INTO history.{name} ({columns}) SELECT * FROM unnest({arrays})")
        number += len(rows.columns)
    *others, last = inserts
    named = ", ".join(f"part{place} AS ({text})" for place, text in enumerate(others))
    return f"WITH {named} {last}"


def _columns(template: dict[str, Rows], start: int, end: int) -> list[tuple[Any, ...]]:
    # One event, one tag and one ledger row a command: the n-th rows of the tables belong together.
    return [column for rows in template.values() for column in zip(*rows.rows[start:end], strict=True)]


async def _check_stored(connection: asyncpg.Connection[Any], template: dict[str, Rows]) -> None:
    for name, rows in template.items():
        stored = await connection.fetchval(f"SELECT count(*) FROM history.{name}")
        check(stored == len(rows.rows), f"the floor's table {name} holds {stored} rows, expected {len(rows.rows)}")
