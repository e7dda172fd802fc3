"""The statements of one read model's table, made from its definition: names are its own, values are bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twofold.engines.postgres.columns import WORDS, quoted, stored_columns
from twofold.engines.postgres.statements import statement
from twofold.read.index import Changes, Index
from twofold.read.store import Page
from twofold.read.table import Row, Table

_ADVANCE_VALUES = 12
_BETWEEN = "views.twofold_between"
# Rows are changed again and again. Where a page has room for the new one, no index has to be written with it, and what
# the old one took is free for the next without a VACUUM.
_ROOM = "fillfactor = 75"


class Bound:
    """The values of a statement, while it is being made."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def mark(self, value: Any) -> str:
        """Take a value, and return the parameter that stands for it."""
        self.values.append(value)
        return f"${len(self.values)}"


class ViewSql:
    """Text for one table; built once.

    Attributes:
        name: the table.
        names: the tables by what stands for them in a projection's own SQL: this one, and its further ones.
        by_key: reads the row of one key; its values are the parameters.
        by_keys: reads the rows of many; the parameters are arrays, one a field of the key.
        advance: stores a batch; see `sql/advance.sql`.
        advance_with_rows: the same; further parameters are arrays of the rows' values, one a column.
        upsert: stores rows alone; the parameters are arrays of their values, one a column.
        delete: deletes the rows of many keys; the parameters are arrays, one a field of the key.
        select: the beginning of a statement that reads rows.
    """

    def __init__(self, table: Table[Any]) -> None:
        self._table = table
        self._columns = {column.name: column for column in stored_columns(table)}
        self._stored = [*self._columns.values(), *([WORDS] if table.search else [])]
        self._key = [self._columns[name] for name in table.key]
        self.name = _in_views(table.versioned_name)
        self._live = _in_views(table.live_name)
        self._table = table
        further = {name: _in_views(table.further_name(name)) for name in table.tables}
        self.names = {table.live_name: self.name, **further}
        shown = ", ".join(column.shown(place) for place, column in enumerate(self._columns.values(), 1))
        self.select = f"SELECT {shown} FROM {self.name} AS {quoted(table.live_name)} "
        self.by_key = f"{self.select} WHERE " + " AND ".join(
            column.equals(f"${place}") for place, column in enumerate(self._key, 1)
        )
        self.by_keys = self._by_keys(shown)
        self.advance = statement("advance").format(stored="")
        self.upsert = self._upsert(0)
        moved = self._upsert(_ADVANCE_VALUES, "WHERE EXISTS (SELECT FROM moved)")
        self.advance_with_rows = statement("advance").format(stored=f", stored AS ({moved})")
        self.delete = self._delete()

    def rows(self, rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
        """Yield the values of rows as the statements take them: column by column, and the words at the end."""
        table = self._table
        return zip(*((*row, table.words(row)) for row in rows) if table.search else rows, strict=True)

    def create(self) -> str:
        """Return the statements that make the table."""
        lines = [line for column in self._stored for line in column.definitions()]
        keys = ", ".join(quoted(column.name) for column in self._key)
        made = [f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(lines)}, PRIMARY KEY ({keys})) WITH ({_ROOM})"]
        further = self._table.tables.items()
        return "; ".join(made + [f"CREATE TABLE IF NOT EXISTS {self.names[name]} ({each})" for name, each in further])

    def drop(self) -> str:
        """Return the statements that remove the table."""
        return "; ".join(f"DROP TABLE IF EXISTS {name}" for name in self.names.values())

    def lock(self, mode: str, *others: ViewSql) -> str:
        """Return the statement that locks this table and others, before anything that is noted of them.

        A batch that is stored in one statement has its table's lock when it comes to wait for its checkpoint's row. Who
        took the two in the other order would wait for it while it waits for them.

        Args:
            mode: of the lock.
            others: what is locked with it.
        """
        names = [name for each in (self, *others) for name in each.names.values()]
        return f"LOCK TABLE {', '.join(names)} IN {mode} MODE"

    def exchange(self, other: ViewSql) -> str:
        """Return the statements that exchange the names of this table and another."""
        return "; ".join(
            f"ALTER TABLE {old} RENAME TO {new.removeprefix('views.')}"
            for one, two in zip(self.names.values(), other.names.values(), strict=True)
            for old, new in ((one, _BETWEEN), (two, one), (_BETWEEN, two))
        )

    def indexes(self) -> dict[str, str]:
        """Return the declared indexes: by name, what they are made of."""
        made: dict[str, str] = {}
        for index in self._table.indexes:
            body = f"({', '.join(self._ordered(name, descending) for name, descending in index.order)})"
            made[index.name(self._table.fingerprint, body)] = body
        if self._table.search:
            body = f"USING gin ({quoted(WORDS.name)})"
            made[Index((("words", False),)).name(self._table.fingerprint, body)] = body
        return made

    def change(self, changes: Changes) -> list[str]:
        """Return the statements that change the table's indexes."""
        made = [
            f"CREATE INDEX IF NOT EXISTS {quoted(name)} ON {self.name} {body}" for name, body in changes.made.items()
        ]
        return [*made, *(f"DROP INDEX IF EXISTS {_in_views(name)}" for name in changes.dropped)]

    def show(self) -> str:
        """Return the statements that make the live name show this table."""
        names = ", ".join(map(quoted, self._columns))
        return f"DROP VIEW IF EXISTS {self._live}; CREATE VIEW {self._live} AS SELECT {names} FROM {self.name}"

    def page(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that reads a page, with its values."""
        bound = Bound()
        where = self._where(page, bound)
        order = ", ".join(self._ordered(name, descending) for name, descending in page.order)
        limit = "" if page.limit is None else f" LIMIT {bound.mark(page.limit)}"
        return f"{self.select}{where} ORDER BY {order}{limit}", bound.values

    def count(self, page: Page) -> tuple[str, list[Any]]:
        """Return the statement that counts rows, with its values."""
        bound = Bound()
        return f"SELECT count(*) FROM {self.name} {self._where(page, bound)}", bound.values

    def _by_keys(self, shown: str) -> str:
        arrays = ", ".join(f"${place}::{column.form.sent}[]" for place, column in enumerate(self._key, 1))
        names = ", ".join(f'"{place}"' for place in range(1, len(self._key) + 1))
        same = " AND ".join(column.equals(f'sent."{place}"') for place, column in enumerate(self._key, 1))
        # Row by row through the index: a join might be planned while the table is small, and kept when it is large.
        found = f"SELECT * FROM {self.name} WHERE {same} LIMIT 1"
        return f"SELECT {shown} FROM unnest({arrays}) AS sent ({names}) CROSS JOIN LATERAL ({found}) AS found"

    def _upsert(self, values: int, condition: str = "WHERE true") -> str:
        """Return the statement that stores rows; its parameters come after so many others."""
        columns = self._stored
        arrays = ", ".join(f"${place}::{column.form.sent}[]" for place, column in enumerate(columns, values + 1))
        names = ", ".join(f'"{place}"' for place in range(1, len(columns) + 1))
        written = [pair for place, column in enumerate(columns, 1) for pair in column.targets(f'sent."{place}"')]
        keys = [quoted(column.name) for column in self._key]
        rest = [target for target, _ in written if target not in keys]
        change = "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in rest) if rest else "NOTHING"
        return f"""
            INSERT INTO {self.name} ({", ".join(target for target, _ in written)})
            SELECT {", ".join(value for _, value in written)} FROM unnest({arrays}) AS sent ({names}) {condition}
            ON CONFLICT ({", ".join(keys)}) DO {change}
        """

    def _delete(self) -> str:
        arrays = ", ".join(f"${place}::{column.form.sent}[]" for place, column in enumerate(self._key, 1))
        names = ", ".join(f'"{place}"' for place in range(1, len(self._key) + 1))
        same = " AND ".join(column.equals(f'sent."{place}"') for place, column in enumerate(self._key, 1))
        return f"DELETE FROM {self.name} USING unnest({arrays}) AS sent ({names}) WHERE {same}"

    def _where(self, page: Page, bound: Bound) -> str:
        parts = [
            f"{quoted(name)} IS NULL" if value is None else self._columns[name].equals(bound.mark(value))
            for name, value in page.equals
        ]
        for name, operator, value in page.ranges:
            parts.append(f"{quoted(name)} {operator} {self._columns[name].stored(bound.mark(value))}")
        if page.words:
            words = " & ".join(f"'{word.text}'{':*' if word.begins else ''}" for word in page.words)
            parts.append(f"{quoted(WORDS.name)} @@ {bound.mark(words)}::text::tsquery")
        if page.after is not None:
            parts += self._begin(*page.order[0], page.after[0], bound)
            parts.append(self._beyond(page.order, page.after, bound))
        return "WHERE " + " AND ".join(parts) if parts else ""

    def _begin(self, name: str, descending: bool, value: Any, bound: Bound) -> list[str]:
        """Return the condition that says where to begin in an index, where there is a simple one."""
        if value is None or (descending and self._columns[name].optional):
            return []
        return [f"{quoted(name)} {'<=' if descending else '>='} {self._columns[name].stored(bound.mark(value))}"]

    def _beyond(self, order: Sequence[tuple[str, bool]], after: Sequence[Any], bound: Bound) -> str:
        """Return the condition for rows that come after these values: a > $1 OR (a = $1 AND (b > $2 OR …))."""
        (name, descending), value = order[0], after[0]
        column, rest = quoted(name), (order[1:], after[1:])
        mark = "" if value is None else self._columns[name].stored(bound.mark(value))
        same = f"{column} IS NULL" if value is None else f"{column} = {mark}"
        if value is None:
            later = "FALSE" if descending else f"{column} IS NOT NULL"
        elif descending:
            later = f"{column} < {mark}" + (f" OR {column} IS NULL" if self._columns[name].optional else "")
        else:
            later = f"{column} > {mark}"
        return f"({later} OR ({same} AND {self._beyond(*rest, bound)}))" if rest[0] else f"({later})"

    def _ordered(self, name: str, descending: bool) -> str:
        # Empty fields come first, as in the other engines; only where there may be some, else no index would do.
        direction = " DESC" if descending else ""
        empty = (" NULLS LAST" if descending else " NULLS FIRST") if self._columns[name].optional else ""
        return f"{quoted(name)}{direction}{empty}"


def _in_views(name: str) -> str:
    return f"views.{quoted(name)}"
