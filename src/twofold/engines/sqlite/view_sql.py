"""The statements of one read model's table, made from its definition: names are its own, values are bound."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import count
from typing import Any

import apsw

from twofold.read.column import unpadded
from twofold.read.index import Changes, Order
from twofold.read.store import Page
from twofold.read.table import Key, Row, Table
from twofold.read.words import Word

# No field can be named like these.
_NUMBER, _WORDS = '"#"', '"#words"'
_SEARCH = "__words"
_TYPES = {"integer": "INTEGER", "boolean": "INTEGER", "real": "REAL", "bytes": "BLOB"}
_ARRAYS: dict[str, Callable[[Iterable[Any]], Any]] = {"TEXT": tuple, "INTEGER": partial(array, "q")}
_BETWEEN = "twofold_between"
_SHAPES = 200
_SOME_WORD = (Word("", begins=False),)


class ViewSql:
    """Text for one table; built once."""

    def __init__(self, table: Table[Any]) -> None:
        self._table = table
        self.name = quoted(table.versioned_name)
        self.live = quoted(table.live_name)
        further = {name: quoted(table.further_name(name)) for name in table.tables}
        self.names = {table.live_name: self.name, **further}
        columns = ", ".join(quoted(column.name) for column in table.columns)
        keys = ", ".join(quoted(name) for name in table.key)
        self.by_key = f"SELECT {columns} FROM {self.name} WHERE " + " AND ".join(
            f"{quoted(name)} = ?" for name in table.key
        )
        kinds = [_TYPES.get(table.column(name).kind, "TEXT") for name in table.key]
        self._array = _ARRAYS.get(kinds[0]) if len(kinds) == 1 else None
        self._by_keys = f"SELECT {columns} FROM {self.name} WHERE {keys} IN carray(?)"
        written = [quoted(column.name) for column in table.columns] + ([_WORDS] if table.search else [])
        rest = [name for name in written if name not in map(quoted, table.key)]
        change = "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in rest) if rest else "NOTHING"
        marks = ", ".join("?" * len(written))
        self.upsert = (
            f"INSERT INTO {self.name} ({', '.join(written)}) VALUES ({marks}) ON CONFLICT ({keys}) DO {change}"
        )
        self.delete = f"DELETE FROM {self.name} WHERE " + " AND ".join(f"{quoted(name)} = ?" for name in table.key)
        self.select = f"SELECT {columns} FROM {self.name} AS {self.live} "
        self._shown = columns
        self._page_like = lru_cache(_SHAPES)(self._text_of_page)
        self._search = quoted(table.versioned_name + _SEARCH)

    def by_keys(self, keys: Sequence[Key]) -> tuple[str, tuple[Any]] | None:
        """Return the one statement that reads the rows of many keys, with its value; None where there is none.

        It takes half the time of a statement for each key.
        """
        if self._array is None or len(keys) < 2:
            return None
        return self._by_keys, (apsw.carray(self._array(key for (key,) in keys)),)

    def rows(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Yield rows as `upsert` takes them: with their words, where they are searched."""
        table = self._table
        return ((*row, table.words(row)) for row in rows) if table.search else iter(rows)

    def create(self) -> str:
        """Return the statements that make the table; its types are enforced by the database (STRICT)."""
        lines = [
            f"{quoted(column.name)} {_TYPES.get(column.kind, 'TEXT')}{'' if column.optional else ' NOT NULL'}"
            for column in self._table.columns
        ]
        keys = ", ".join(quoted(name) for name in self._table.key)
        if not self._table.search:
            made = [f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(lines)}, PRIMARY KEY ({keys})) STRICT"]
            further = [f"CREATE TABLE IF NOT EXISTS {self.names[n]} ({each})" for n, each in self._table.tables.items()]
            return "; ".join(made + further)
        # The index of words goes by a number of its own: a rowid that is no column may be another after VACUUM.
        lines += [f"{_NUMBER} INTEGER PRIMARY KEY", f"{_WORDS} TEXT NOT NULL", f"UNIQUE ({keys})"]
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(lines)}) STRICT; {self._create_search()}"

    def _create_search(self) -> str:
        """Return the statements that make the index of words, and what keeps it in step, whoever writes a row."""
        options = "content='', contentless_delete=1, detail=none, tokenize='ascii'"
        made = f"CREATE VIRTUAL TABLE IF NOT EXISTS {self._search} USING fts5(words, {options})"
        return "; ".join((made, *self._create_triggers()))

    def _create_triggers(self) -> Iterator[str]:
        add = f"INSERT INTO {self._search} (rowid, words) VALUES (new.{_NUMBER}, new.{_WORDS});"
        remove = f"DELETE FROM {self._search} WHERE rowid = old.{_NUMBER};"
        bodies = {
            "insert": f"AFTER INSERT ON {self.name} BEGIN {add} END",
            "delete": f"AFTER DELETE ON {self.name} BEGIN {remove} END",
            "update": f"AFTER UPDATE ON {self.name} WHEN new.{_WORDS} <> old.{_WORDS} BEGIN {remove} {add} END",
        }
        for name, trigger in self._triggers():
            yield f"CREATE TRIGGER IF NOT EXISTS {trigger} {bodies[name]}"

    def _drop_triggers(self) -> Iterator[str]:
        for _, trigger in self._triggers():
            yield f"DROP TRIGGER IF EXISTS {trigger}"

    def _triggers(self) -> Iterator[tuple[str, str]]:
        for name in ("insert", "delete", "update") if self._table.search else ():
            yield name, quoted(f"{self._table.versioned_name}{_SEARCH}_{name}")

    def drop(self) -> str:
        """Return the statements that remove the table."""
        further = [f"DROP TABLE IF EXISTS {self.names[name]}" for name in self._table.tables]
        return "; ".join([drop(self._table.live_name, self._table.version), *further])

    def exchange(self, other: ViewSql) -> str:
        """Return the statements that exchange the names of this table and another."""
        pairs = list(zip(self.names.values(), other.names.values(), strict=True))
        pairs += [(self._search, other._search)] if self._table.search else []
        names = [pair for one, two in pairs for pair in ((one, _BETWEEN), (two, one), (_BETWEEN, two))]
        # The view would be carried along with the table that it shows, and triggers would keep their names.
        steps = [f"DROP VIEW IF EXISTS {self.live}", *self._drop_triggers(), *other._drop_triggers()]
        steps += [f"ALTER TABLE {old} RENAME TO {new}" for old, new in names]
        return "; ".join((*steps, *self._create_triggers(), *other._create_triggers()))

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
        return f"DROP VIEW IF EXISTS {self.live}; CREATE VIEW {self.live} AS SELECT {self._shown} FROM {self.name}"

    def page(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that reads a page, with its values."""
        text, values = self._page_like(_shape(page)), self._values(page)
        return text, values if page.limit is None else [*values, page.limit]

    def count(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that counts rows, with its values."""
        return f"SELECT count(*) FROM {self.name} {self._where(_shape(page))}", self._values(page)

    def _text_of_page(self, shape: Page) -> str:
        order = ", ".join(f"{self._sortable(name)}{' DESC' if down else ''}" for name, down in shape.order)
        return f"{self.select}{self._where(shape)} ORDER BY {order}{'' if shape.limit is None else ' LIMIT ?'}"

    def _values(self, page: Page) -> list[Any]:
        """Return the values of a page's condition, in the order in which `_where` numbers them."""
        values: list[Any] = []
        for name, value in page.equals:
            if value is not None:
                values += [value, unpadded(value)] if self._is_decimal(name) else [value]
        values += [bound for _, _, bound in page.ranges]
        if page.words:
            values.append(" AND ".join(f'"{word.text}"{" *" if word.begins else ""}' for word in page.words))
        return [*values, *(value for value in page.after or () if value is not None)]

    def _where(self, shape: Page) -> str:
        numbers = count(1)
        parts = [
            self._equal(name, numbers) if is_given else f"{quoted(name)} IS NULL" for name, is_given in shape.equals
        ]
        parts += [f"{self._sortable(n)} {operator} {self._mark(n, next(numbers))}" for n, operator, _ in shape.ranges]
        if shape.words:
            found = f"SELECT rowid FROM {self._search} WHERE {self._search} MATCH ?{next(numbers)}"
            parts.append(f"{_NUMBER} IN ({found})")
        if shape.after is not None:
            given = zip(shape.order, shape.after, strict=True)
            marks = [self._mark(name, next(numbers)) if is_given else "NULL" for (name, _), is_given in given]
            parts.append(self._beyond(shape.order, marks, shape.after))
        return "WHERE " + " AND ".join(parts) if parts else ""

    def _beyond(self, order: Order, marks: Sequence[str], given: Sequence[bool]) -> str:
        """Return the condition for rows that come after values: a >= ?1 AND +((a > ?1) OR (a IS ?1 AND b > ?2) OR …).

        The first part says where to begin in an index; the plus keeps the alternatives from being looked up one by one,
        after which the rows would have to be sorted.
        """
        alternatives: list[str] = []
        same: list[str] = []
        for (name, descending), mark, is_given in zip(order, marks, given, strict=True):
            alternatives.append(" AND ".join([*same, self._step(name, descending, mark, is_given)]))
            same.append(f"{self._sortable(name)} IS {mark}")
        return f"{self._begin(*order[0], marks[0], given[0])}+({' OR '.join(f'({each})' for each in alternatives)})"

    def _begin(self, name: str, descending: bool, mark: str, is_given: bool) -> str:
        if not is_given or (descending and self._table.column(name).optional):
            return ""
        return f"{self._sortable(name)} {'<=' if descending else '>='} {mark} AND "

    def _step(self, name: str, descending: bool, mark: str, is_given: bool) -> str:
        column = self._sortable(name)
        if not is_given:
            return "FALSE" if descending else f"{column} IS NOT NULL"
        return f"({column} < {mark} OR {column} IS NULL)" if descending else f"{column} > {mark}"

    def _equal(self, name: str, numbers: Iterator[int]) -> str:
        column, near = quoted(name), f"{self._sortable(name)} = {self._mark(name, next(numbers))}"
        if not self._is_decimal(name):
            return near
        # Of decimals, 9.5 and 9.50 are two texts of one number; an index finds those that are near it.
        exact = f"CASE WHEN instr({column}, '.') THEN rtrim(rtrim({column}, '0'), '.') ELSE {column} END"
        return f"{near} AND {exact} = ?{next(numbers)}"

    def _is_decimal(self, name: str) -> bool:
        return self._table.column(name).kind == "decimal"

    def _sortable(self, name: str) -> str:
        # Decimals are text, which keeps every digit; they sort as the nearest floating-point number.
        return f"CAST({quoted(name)} AS REAL)" if self._is_decimal(name) else quoted(name)

    def _mark(self, name: str, number: int) -> str:
        return f"CAST(?{number} AS REAL)" if self._is_decimal(name) else f"?{number}"


def _shape(page: Page) -> Page:
    """Return what the text of a page's statement depends on: the page, with whether there is a value for each."""
    return Page(
        equals=tuple((name, value is not None) for name, value in page.equals),
        ranges=tuple((name, operator, True) for name, operator, _ in page.ranges),
        words=_SOME_WORD if page.words else (),
        order=page.order,
        after=None if page.after is None else tuple(value is not None for value in page.after),
        limit=None if page.limit is None else 1,
    )


def drop(name: str, version: str) -> str:
    """Return the statements that remove the table of a version, with its index of words."""
    table = f"{name}__{version}"
    return f"DROP TABLE IF EXISTS {quoted(table)}; DROP TABLE IF EXISTS {quoted(table + _SEARCH)}"


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
