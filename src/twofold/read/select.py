"""A SQLAlchemy `Select` in the place of SQL text: a read model as a SQLAlchemy table, and what a statement asks of it.

SQLAlchemy (extra `sql`) is imported when it is needed first: that takes half a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from twofold.errors import InvalidFilter, MissingExtra
from twofold.read.table import Table

if TYPE_CHECKING:
    import sqlalchemy

_TYPES = {
    "text": "Text", "integer": "BigInteger", "real": "Double", "boolean": "Boolean", "bytes": "LargeBinary",
    "uuid": "Uuid", "time": "DateTime", "decimal": "Numeric",
}  # fmt: skip
# DuckDB's SQL is PostgreSQL's, as far as the rest of a SELECT goes; SQLAlchemy itself knows none of DuckDB.
_DIALECTS = {"duckdb": "postgresql"}
_DECIMALS = {"sqlite": "REAL", "duckdb": "DOUBLE_PRECISION"}
"""As what decimals are compared where they are kept as text."""

_FROM = "\nFROM "


def sql_table(table: Table[Any]) -> sqlalchemy.Table:
    """Return a read model as a table of SQLAlchemy; nested values are columns of no type.

    Raises:
        MissingExtra: SQLAlchemy is not installed.
    """
    alchemy = _alchemy()
    columns = [
        alchemy.Column(
            column.name,
            getattr(alchemy, _TYPES[column.kind])() if column.kind in _TYPES else None,
            primary_key=column.name in table.key,
            nullable=column.optional,
        )
        for column in table.columns
    ]
    made: sqlalchemy.Table = alchemy.Table(table.live_name, alchemy.MetaData(), *columns)
    return made


def text_of(
    table: Table[Any], own: sqlalchemy.Table | None, statement: Any, dialect: str, values: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the rest of a SELECT statement in a dialect, with the values to bind by name.

    Args:
        table: the read model's.
        own: it as SQLAlchemy's, which the statement must select whole, and read nothing else.
        statement: what is asked.
        dialect: the store's.
        values: those of the statement's own parameters.

    Raises:
        InvalidFilter: it is no Select, or not one of the whole table and nothing else.
    """
    alchemy = _alchemy()
    if not isinstance(statement, alchemy.Select):
        raise _refused(table, f"expected SQL text, or a Select of SQLAlchemy, found {type(statement).__name__}")
    tables = [each for each in import_module("sqlalchemy.sql.visitors").iterate(statement) if _is_source(each)]
    if own is None or any(each is not own for each in tables) or [*statement.selected_columns] != [*own.columns]:
        raise _refused(table, "expected a Select of the view's whole table and of nothing else: `select(view.table)`")
    try:
        compiled = _prepared(table, own, statement, dialect).compile(
            dialect=import_module(f"sqlalchemy.dialects.{_DIALECTS.get(dialect, dialect)}").dialect(paramstyle="named"),
            compile_kwargs={"render_postcompile": True},
        )
        bound = dict(compiled.construct_params(dict(values)))
    except alchemy.exc.SQLAlchemyError as error:
        raise _refused(table, f"the Select cannot be told in SQL: {error}") from error
    before, _, rest = str(compiled).partition(_FROM)
    _, name, rest = rest.partition(table.live_name)
    if before.strip() != "SELECT 1 AS twofold" or not name:
        raise _refused(table, "expected a Select without a CTE, DISTINCT or another beginning of its own")
    return rest.removeprefix('"'), bound


def _prepared(table: Table[Any], own: sqlalchemy.Table, statement: Any, dialect: str) -> Any:
    """Return the statement with one constant for its columns, and decimals that are kept as text as numbers."""
    alchemy, visitors = _alchemy(), import_module("sqlalchemy.sql.visitors")
    only = statement.with_only_columns(alchemy.literal_column("1").label("twofold"), maintain_column_froms=True)
    decimals = {column.name for column in table.columns if column.kind == "decimal"}
    if dialect not in _DECIMALS or not decimals:
        return only

    def as_number(element: Any, **_: Any) -> Any:
        if getattr(element, "table", None) is not own or getattr(element, "key", None) not in decimals:
            return None
        column = alchemy.literal_column(f'{table.live_name}."{element.key}"')
        return alchemy.cast(column, getattr(alchemy, _DECIMALS[dialect]))

    return visitors.replacement_traverse(only, {}, as_number)


def _is_source(element: Any) -> bool:
    return element.__visit_name__ in ("table", "alias", "cte", "subquery", "join", "lateral", "values", "tablesample")


def _alchemy() -> Any:
    try:
        return import_module("sqlalchemy")
    except ImportError as error:
        raise MissingExtra(feature="a Select of SQLAlchemy", extra="sql") from error


def _refused(table: Table[Any], problem: str) -> InvalidFilter:
    return InvalidFilter(model=table.name, problem=problem)
