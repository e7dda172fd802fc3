"""`ask`: a query is answered from read models that were projected from what was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from twofold import wire
from twofold.app import App
from twofold.context import Context
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.errors import DeclarationError, InvalidMessage
from twofold.history.boundary import EVERYTHING
from twofold.message import Query
from twofold.model import ReadModel, fold_of, row_keys
from twofold.read.freshness import Freshness
from twofold.read.handler import QueryHandler
from twofold.read.projector import Projector
from twofold.read.table import Table
from twofold.read.view import View
from twofold.testing.story import Happened, history_of, told

A = TypeVar("A")


async def answer(
    app: App, provided: Mapping[type, Any], facts: Sequence[Happened], query: Query[A], context: Context
) -> A:
    """Answer a query with the same projections and views as a node, kept in memory.

    Raises:
        AssertionError: the query is not valid, or a read model could not take an event, or the handler raised.
    """
    handler = _handler_of(app, query)
    try:
        wire.checked(query)
    except InvalidMessage as error:
        raise AssertionError(f"the query {query!r} is refused before it is answered: {error}") from error
    history = await history_of(facts, app.codec)
    views = MemoryViews()
    tables = {wanted.model: app.tables[wanted.model] for wanted in handler.views}
    for table in tables.values():
        await _project(app, table, history, views)
    try:
        call = handler.bind(provided, {model: View(views, table) for model, table in tables.items()})
    except DeclarationError as error:
        raise AssertionError(f"{error.what}\n  mend: give it to the scenario: scenario(app, provide=[…])") from error
    try:
        found: A = await call(query, context)
    except Exception as error:
        name = f"{handler.signature.name} ({handler.signature.where})"
        raise AssertionError(f"{name} raised {type(error).__name__}: {error}\n\n{told(facts, 'ask', query)}") from error
    return found


def _handler_of(app: App, query: Query[Any]) -> QueryHandler:
    handler = app.queries.get(type(query))
    if handler is None:
        known = ", ".join(sorted(kind.__name__ for kind in app.queries)) or "none"
        raise AssertionError(f"no handler takes {type(query).__name__}; the application's queries: {known}")
    return handler


async def _project(app: App, table: Table[Any], history: MemoryHistory, views: MemoryViews) -> None:
    projector = Projector(table, history, views, app.codec, Freshness(views))
    await projector.prepare()
    await projector.catch_up()
    if await views.parked_keys(table):
        await _find_the_cause(app, table, history)


async def _find_the_cause(app: App, table: Table[Any], history: MemoryHistory) -> None:
    """Fold again, one event after another, up to the one that the projection had to park, and tell of it."""
    model: type[ReadModel] = table.model
    fold, keys_of = fold_of(model), row_keys(model)
    rows: dict[Any, Any] = {}
    async for batch in history.read(EVERYTHING):
        for recorded in (each for each in batch if each.type in table.event_names):
            event, meta = app.codec.decode(recorded), recorded.metadata
            try:
                for values in keys_of(event, meta):
                    key = table.key_of(values)
                    row = rows.setdefault(key, table.fresh(key))
                    row.evolve(*(event, meta)[: 1 + fold.takes_metadata])
                    table.settle(row)
                    if None in key or table.key_in(table.row(row)) != key:
                        raise ValueError(f"the key is missing, or evolve changed it: {', '.join(table.key)}")
            except Exception as error:
                raise AssertionError(
                    f"read model {table.name} could not take {event!r}, which would park its row: "
                    f"{type(error).__name__}: {error}"
                ) from error
    raise AssertionError(f"read model {table.name} parked an event of the scenario")
