"""The statements of one read model's table, made from its definition: names are its own, values are bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twofold.read.column import unpadded
from twofold.read.index import Changes
from twofold.read.store import Page
from twofold.read.table import Table

_TYPES = {"integer": "INTEGER", "boolean": "INTEGER", "real": "REAL", "bytes": "BLOB"}


class ViewSql:
    """Text for one table; built once."""

    def __init__(self, table: Table[Any]) -> None:
        self._table = table
        self.name = quoted(table.versioned_name)
        self.live = quoted(table.live_name)
        columns = ", ".join(quoted(column.name) for column in table.columns)
        keys = ", ".join(quoted(name) for name in table.key)
        self.by_key = f"SELECT {columns} FROM {self.name} WHERE " + " AND ".join(
            f"{quoted(name)} = ?" for name in table.key
        )
        rest = [quoted(column.name) for column in table.columns if column.name not in table.key]
        change = "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in rest) if rest else "NOTHING"
        marks = ", ".join("?" * len(table.columns))
        self.upsert = f"INSERT INTO {self.name} VALUES ({marks}) ON CONFLICT ({keys}) DO {change}"
        self.delete = f"DELETE FROM {self.name} WHERE " + " AND ".join(f"{quoted(name)} = ?" for name in table.key)
        self.select = f"SELECT {columns} FROM {self.name} AS {self.live} "

    def create(self) -> str:
        """Return the statement that makes the table; its types are enforced by the database (STRICT)."""
        lines = [
            f"{quoted(column.name)} {_TYPES.get(column.kind, 'TEXT')}{'' if column.optional else ' NOT NULL'}"
            for column in self._table.columns
        ]
        keys = ", ".join(quoted(name) for name in self._table.key)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(lines)}, PRIMARY KEY ({keys})) STRICT"

    def drop(self) -> str:
        """Return the statement that removes the table."""
        return f"DROP TABLE IF EXISTS {self.name}"

    def exchange(self, other: ViewSql) -> str:
        """Return the statements that exchange the names of this table and another."""
        between = quoted(f"{self._table.versioned_name}~")
        names = ((self.name, between), (other.name, self.name), (between, other.name))
        # The view would be carried along with the table that it shows.
        return f"DROP VIEW IF EXISTS {self.live}; " + "; ".join(
            f"ALTER TABLE {old} RENAME TO {new}" for old, new in names
        )

    def indexes(self) -> dict[str, str]:
        """Return the declared indexes: by name, what they are made of."""
        made: dict[str, str] = {}
        for index in self._table.indexes:
            body = ", ".join(f"{self._sortable(name)}{' DESC' if down else ''}" for name, down in index.order)
            made[index.name(self._table.fingerprint, body)] = body
        return made

    def change(self, changes: Changes) -> list[str]:
        """Return the statements that change the table's indexes."""
        made = [
            f"CREATE INDEX IF NOT EXISTS {quoted(name)} ON {self.name} ({body})" for name, body in changes.made.items()
        ]
        return [*made, *(f"DROP INDEX IF EXISTS {quoted(name)}" for name in changes.dropped)]

    def show(self) -> str:
        """Return the statements that make the live name show this table."""
        return f"DROP VIEW IF EXISTS {self.live}; CREATE VIEW {self.live} AS SELECT * FROM {self.name}"

    def page(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that reads a page, with its values."""
        where, values = self._where(page)
        order = ", ".join(f"{self._sortable(name)}{' DESC' if down else ''}" for name, down in page.order)
        limit = "" if page.limit is None else " LIMIT ?"
        text = f"{self.select}{where} ORDER BY {order}{limit}"
        return text, values if page.limit is None else [*values, page.limit]

    def count(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that counts rows, with its values."""
        where, values = self._where(page)
        return f"SELECT count(*) FROM {self.name} {where}", values

    def _where(self, page: Page) -> tuple[str, list[Any]]:
        parts: list[str] = []
        values: list[Any] = []
        for name, value in page.equals:
            text, more = self._equal(name, value)
            parts.append(text)
            values.extend(more)
        for name, operator, bound in page.ranges:
            parts.append(f"{self._sortable(name)} {operator} {self._mark(name)}")
            values.append(bound)
        if page.after is not None:
            text, more = self._beyond(page.order, page.after)
            parts.append(text)
            values.extend(more)
        return ("WHERE " + " AND ".join(parts) if parts else ""), values

    def _beyond(self, order: Sequence[tuple[str, bool]], after: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return the condition for rows that come after these values: a >= ? AND +((a > ?) OR (a IS ? AND b > ?) OR …).

        The first part says where to begin in an index; the plus keeps the alternatives from being looked up one by one,
        after which the rows would have to be sorted.
        """
        begin, values = self._begin(*order[0], after[0])
        alternatives: list[str] = []
        for place, ((name, descending), value) in enumerate(zip(order, after, strict=True)):
            same = [
                (f"{self._sortable(n)} IS {self._mark(n)}", v) for (n, _), v in zip(order[:place], after, strict=False)
            ]
            step = list(self._step(name, descending, value))
            alternatives.append(" AND ".join([text for text, _ in same] + [text for text, _ in step]))
            values += [v for _, v in same] + [v for _, bound in step for v in bound]
        return f"{begin}+(" + " OR ".join(f"({text})" for text in alternatives) + ")", values

    def _begin(self, name: str, descending: bool, value: Any) -> tuple[str, list[Any]]:
        if value is None or (descending and self._table.column(name).optional):
            return "", []
        return f"{self._sortable(name)} {'<=' if descending else '>='} {self._mark(name)} AND ", [value]

    def _step(self, name: str, descending: bool, value: Any) -> Iterator[tuple[str, list[Any]]]:
        column, mark = self._sortable(name), self._mark(name)
        if value is None:
            yield ("FALSE" if descending else f"{column} IS NOT NULL"), []
        elif descending:
            yield f"({column} < {mark} OR {column} IS NULL)", [value]
        else:
            yield f"{column} > {mark}", [value]

    def _equal(self, name: str, value: Any) -> tuple[str, list[Any]]:
        column = quoted(name)
        if value is None:
            return f"{column} IS NULL", []
        if self._table.column(name).kind != "decimal":
            return f"{column} = ?", [value]
        # Of decimals, 9.5 and 9.50 are two texts of one number; an index finds those that are near it.
        exact = f"CASE WHEN instr({column}, '.') THEN rtrim(rtrim({column}, '0'), '.') ELSE {column} END = ?"
        return f"{self._sortable(name)} = {self._mark(name)} AND {exact}", [value, unpadded(value)]

    def _sortable(self, name: str) -> str:
        # Decimals are text, which keeps every digit; they sort as the nearest floating-point number.
        is_decimal = self._table.column(name).kind == "decimal"
        return f"CAST({quoted(name)} AS REAL)" if is_decimal else quoted(name)

    def _mark(self, name: str) -> str:
        return "CAST(? AS REAL)" if self._table.column(name).kind == "decimal" else "?"


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
