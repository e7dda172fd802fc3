"""The statements of one read model's table, made from its definition: names are its own, values are bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twofold.engines.duckdb.columns import quoted, stored_columns, written
from twofold.read.column import unpadded
from twofold.read.store import Page
from twofold.read.table import Key, Row, Table

# No field can be named like this.
_WORDS = '"#words"'
_BETWEEN = "twofold_between"


class ViewSql:
    """Text for one table; built once."""

    def __init__(self, table: Table[Any]) -> None:
        self._table = table
        self._columns = stored_columns(table)
        self._by_name = {column.name: column for column in self._columns}
        self.name = quoted(table.versioned_name)
        self.live = quoted(table.live_name)
        further = {name: quoted(table.further_name(name)) for name in table.tables}
        self.names = {table.live_name: self.name, **further}
        shown = ", ".join(column.shown(place) for place, column in enumerate(self._columns))
        self.select = f"SELECT {shown} FROM {self.name} AS {self.live} "
        wanted = ", ".join(
            f'unnest(CAST(? AS {self._by_name[name].type}[])) AS "{place}"' for place, name in enumerate(table.key)
        )
        same = " AND ".join(f'{self.live}.{quoted(name)} = wanted."{place}"' for place, name in enumerate(table.key))
        self._by_keys = f"{self.select}SEMI JOIN (SELECT {wanted}) AS wanted ON {same}"
        # The index of the key serves this one alone, in half the time.
        self._by_key = f"{self.select}WHERE " + " AND ".join(
            f"{self.live}.{quoted(name)} = {self._by_name[name].mark}" for name in table.key
        )
        self.delete = f"DELETE FROM {self.name} AS {self.live} USING (SELECT {wanted}) AS wanted WHERE {same}"
        self._is_plain = not table.search and not any(column.is_time for column in self._columns)

    def keys(self, keys: Sequence[Key]) -> list[list[Any]]:
        """Return keys as `delete` takes them: the values of each field."""
        return [list(values) for values in zip(*keys, strict=True)]

    def by_keys(self, keys: Sequence[Key]) -> tuple[str, Sequence[Any]]:
        """Return the statement that reads the rows of keys, of one at least, with its values."""
        return (self._by_key, keys[0]) if len(keys) == 1 else (self._by_keys, self.keys(keys))

    def rows(self, rows: Sequence[Row]) -> Sequence[Sequence[Any]]:
        """Return rows as the table holds them: with their words, where they are searched."""
        if self._is_plain:
            return rows
        words = [[f" {self._table.words(row)} "] if self._table.search else [] for row in rows]
        return [[*written(self._columns, row), *more] for row, more in zip(rows, words, strict=True)]

    def create(self) -> list[str]:
        """Return the statements that make the table, and those that its `project` works with."""
        lines = [line for column in self._columns for line in column.definitions()]
        lines += [f"{_WORDS} VARCHAR NOT NULL"] if self._table.search else []
        keys = ", ".join(quoted(name) for name in self._table.key)
        further = [f"CREATE TABLE IF NOT EXISTS {self.names[n]} ({each})" for n, each in self._table.tables.items()]
        return [f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(lines)}, PRIMARY KEY ({keys}))", *further]

    def drop(self) -> list[str]:
        """Return the statements that remove them."""
        return [f"DROP TABLE IF EXISTS {name}" for name in self.names.values()]

    def exchange(self, other: ViewSql) -> list[str]:
        """Return the statements that exchange the names of this table and another."""
        pairs = zip(self.names.values(), other.names.values(), strict=True)
        names = [pair for one, two in pairs for pair in ((one, _BETWEEN), (two, one), (_BETWEEN, two))]
        return [f"ALTER TABLE {old} RENAME TO {new}" for old, new in names]

    def show(self) -> str:
        """Return the statement that makes the live name show this table."""
        columns = ", ".join(quoted(column.name) for column in self._columns)
        return f"CREATE OR REPLACE VIEW {self.live} AS SELECT {columns} FROM {self.name}"

    def page(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that reads a page, with its values."""
        where, values = self._where(page)
        order = ", ".join(
            f"{self._sortable(name)} {'DESC NULLS LAST' if down else 'ASC NULLS FIRST'}" for name, down in page.order
        )
        limit = "" if page.limit is None else " LIMIT ?"
        text = f"{self.select}{where} ORDER BY {order}{limit}"
        return text, values if page.limit is None else [*values, page.limit]

    def count(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that counts rows, with its values."""
        where, values = self._where(page)
        return f"SELECT count(*) FROM {self.name} {where}", values

    def _where(self, page: Page) -> tuple[str, list[Any]]:
        parts: list[tuple[str, list[Any]]] = [self._equal(name, value) for name, value in page.equals]
        parts += [(f"{self._sortable(name)} {sign} {self._mark(name)}", [bound]) for name, sign, bound in page.ranges]
        for word in page.words:
            parts.append((f"contains({_WORDS}, ?)", [f" {word.text}" + ("" if word.begins else " ")]))
        if page.after is not None:
            parts.append(self._beyond(page.order, page.after))
        text = " AND ".join(text for text, _ in parts)
        return (f"WHERE {text}" if parts else ""), [value for _, values in parts for value in values]

    def _beyond(self, order: Sequence[tuple[str, bool]], after: Sequence[Any]) -> tuple[str, list[Any]]:
        """Return the condition for rows that come after these values: (a > ?) OR (a = ? AND b > ?) OR …"""
        alternatives: list[str] = []
        values: list[Any] = []
        for place, ((name, descending), value) in enumerate(zip(order, after, strict=True)):
            same = [f"{self._sortable(n)} IS NOT DISTINCT FROM {self._mark(n)}" for n, _ in order[:place]]
            step = list(self._step(name, descending, value))
            alternatives.append(" AND ".join([*same, *(text for text, _ in step)]))
            values += [*after[:place], *(v for _, bound in step for v in bound)]
        return "(" + " OR ".join(f"({text})" for text in alternatives) + ")", values

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
        if self._by_name[name].kind != "decimal":
            return self._by_name[name].equals(value)
        # Of decimals, 9.5 and 9.50 are two texts of one number.
        return f"CASE WHEN contains({column}, '.') THEN rtrim(rtrim({column}, '0'), '.') ELSE {column} END = ?", [
            unpadded(value)
        ]

    def _sortable(self, name: str) -> str:
        # Decimals are text, which keeps every digit; they sort as the nearest floating-point number.
        is_decimal = self._by_name[name].kind == "decimal"
        return f"CAST({quoted(name)} AS DOUBLE)" if is_decimal else quoted(name)

    def _mark(self, name: str) -> str:
        return "CAST(? AS DOUBLE)" if self._by_name[name].kind == "decimal" else self._by_name[name].mark
