"""The statements of one read model's table, made from its definition: names are its own, values are bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twofold.read.column import unpadded
from twofold.read.index import Changes
from twofold.read.store import Page
from twofold.read.table import Row, Table

# No field can be named like these.
_NUMBER, _WORDS = '"#"', '"#words"'
_SEARCH = "__words"
_TYPES = {"integer": "INTEGER", "boolean": "INTEGER", "real": "REAL", "bytes": "BLOB"}
_BETWEEN = "twofold_between"


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
        self._search = quoted(table.versioned_name + _SEARCH)

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
        if page.words:
            parts.append(f"{_NUMBER} IN (SELECT rowid FROM {self._search} WHERE {self._search} MATCH ?)")
            values.append(" AND ".join(f'"{word.text}"{" *" if word.begins else ""}' for word in page.words))
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


def drop(name: str, version: str) -> str:
    """Return the statements that remove the table of a version, with its index of words."""
    table = f"{name}__{version}"
    return f"DROP TABLE IF EXISTS {quoted(table)}; DROP TABLE IF EXISTS {quoted(table + _SEARCH)}"


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
