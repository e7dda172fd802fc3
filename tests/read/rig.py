"""A projection taken apart: a history in memory, a SQLite view store, and the projector between them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw

from twofold import Event, ReadModel
from twofold.clock import new_id, new_uuid
from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteViews
from twofold.history.boundary import Condition, Selection
from twofold.history.codec import Codec
from twofold.history.record import Submission
from twofold.history.store import Decision
from twofold.model import fold_of
from twofold.read.freshness import Freshness
from twofold.read.projector import Projector
from twofold.read.store import ViewStore
from twofold.read.table import Table


async def append(history: MemoryHistory, *events: Event) -> None:
    """Append events, each by a command of its own."""
    codec = Codec()
    await history.append(
        [
            Decision(Submission(uuid4(), "Told", b"{}"), Condition(Selection()), (codec.propose(event, new_id()),))
            for event in events
        ]
    )


@cache
def table_of(model: type[ReadModel]) -> Table[Any]:
    return Table(model)


def codec_of(*models: type[ReadModel]) -> Codec:
    codec = Codec()
    for model in models:
        for event in fold_of(model).events:
            codec.learn(event)
    return codec


def projector_of(
    model: type[ReadModel], history: MemoryHistory, store: ViewStore, holder: str = "this process", segment: int = 0
) -> Projector:
    """Return a projector that has not been prepared yet."""
    codec, freshness = codec_of(model), Freshness(store)
    # Each page of the history is a batch of its own.
    return Projector(table_of(model), history, store, codec, freshness, holder=holder, batch=1, segment=segment)


def projectors_of(
    model: type[ReadModel], history: MemoryHistory, store: ViewStore, holder: str = "this process"
) -> list[Projector]:
    """Return a projector for each segment; none has been prepared yet."""
    segments = range(table_of(model).segments)
    return [projector_of(model, history, store, holder, segment) for segment in segments]


async def project_all(projectors: Sequence[Projector]) -> None:
    """Bring segments to the head, all at once. What stops one is raised when the others have ended."""
    for projector in projectors:
        await projector.prepare()
    ended = await asyncio.gather(*(projector.catch_up() for projector in projectors), return_exceptions=True)
    for error in filter(None, ended):
        raise error


async def project(model: type[ReadModel], history: MemoryHistory, store: ViewStore) -> Projector:
    """Bring a read model to the head, and return its projector."""
    projector = projector_of(model, history, store)
    await projector.prepare()
    await projector.catch_up()
    return projector


async def rebuilt(model: type[ReadModel], history: MemoryHistory, folder: Path) -> list[tuple[Any, ...]]:
    """Return the rows of a projection from position 0 into a folder of its own."""
    store = SqliteViews(folder / f"rebuilt-{new_uuid()}")
    try:
        await project_all(projectors_of(model, history, store))
        return await rows_in(store, table_of(model))
    finally:
        await store.close()


async def rows_in(store: ViewStore, table: Table[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a read model, in order."""
    return sorted(tuple(row) for row in await store.sql(table, "", {}))


def select(folder: Path, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return what another SQL tool reads from the read models' file."""
    connection = apsw.Connection(str(folder / "views.db"))
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()
