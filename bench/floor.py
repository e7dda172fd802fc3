"""The floor: what the machine allows when the same rows are put in by plain apsw, with nothing around them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import apsw
import msgspec

from bench.reading import reading
from bench.result import check
from bench.witness import Settings
from twofold.engines.sqlite.statements import statement

Rows: TypeAlias = list[tuple[Any, ...]]
_ORDER = {"events": "position", "tags": "tenant, tag, position", "ledger": "entry"}


class Template(msgspec.Struct, frozen=True):
    """The rows that a node wrote, by table and position, and the settings it wrote them with.

    Taken from a node's own file, so the floor inserts the very same rows, whatever the schema is.
    """

    settings: Settings
    rows: dict[str, dict[int, Rows]]
    last: int

    def between(self, table: str, after: int, until: int) -> Rows:
        """Return a table's rows of some positions, in the order in which they are cheapest to insert."""
        found = [row for position in range(after + 1, until + 1) for row in self.rows[table][position]]
        return sorted(found, key=lambda row: row[:3]) if table == "tags" else found


def template_of(folder: Path, settings: Settings) -> Template:
    """Read a node's history file, one event to a command, as a template for the floor."""
    rows: dict[str, dict[int, Rows]] = {}
    with reading(folder / "history.db") as connection:
        for table, order in _ORDER.items():
            cursor = connection.execute(f"SELECT * FROM {table} ORDER BY {order}")
            place = [name for name, *_ in cursor.description].index("position") if cursor.description else 0
            by_position = rows[table] = {}
            for row in cursor:
                by_position.setdefault(row[place], []).append(row)
    return Template(settings, rows, max(rows["events"]))


def insert(folder: Path, template: Template, *, seed: int, batch: int) -> float:
    """Insert the template's rows through plain apsw; return the seconds that those after position `seed` took."""
    return insert_in_stages(folder, template, [(seed, 1_000), (template.last, batch)])[1]


def insert_in_stages(folder: Path, template: Template, stages: Sequence[tuple[int, int]]) -> list[float]:
    """Insert the template's rows, stage by stage up to a position, so many to a transaction; return each one's seconds.

    Rows are prepared beforehand; each batch is one transaction, synced as the engine's are.
    """
    connection = apsw.Connection(str(folder / "history.db"))
    try:
        template.settings.apply(connection)
        connection.execute(statement("history_schema"))
        seconds: list[float] = []
        after = 0
        for until, batch in stages:
            prepared = _batches(template, after, until, batch)
            started = time.perf_counter()
            _insert(connection, prepared)
            seconds.append(time.perf_counter() - started)
            after = until
        _check_same(connection, template)
        return seconds
    finally:
        connection.close()


def _batches(template: Template, after: int, until: int, size: int) -> list[list[tuple[str, Rows]]]:
    statements = {
        table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(template.rows[table][1][0]))})" for table in _ORDER
    }
    return [
        [(text, template.between(table, start, min(start + size, until))) for table, text in statements.items()]
        for start in range(after, until, size)
    ]


def _insert(connection: apsw.Connection, batches: Sequence[Sequence[tuple[str, Rows]]]) -> None:
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        for text, rows in batch:
            connection.executemany(text, rows)
        connection.execute("COMMIT")


def _check_same(connection: apsw.Connection, template: Template) -> None:
    for table, order in _ORDER.items():
        stored = connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
        expected = [row for rows in template.rows[table].values() for row in rows]
        check(stored == expected, f"the floor's table {table} does not hold the rows that the node wrote")
