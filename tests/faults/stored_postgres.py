"""What a database holds, read with nothing but SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import asyncpg

from tests.faults.stored import Stored
from twofold.history.record import Recorded

T = TypeVar("T")

_EVENTS = """
    SELECT position, type, version, payload, event_id, tags, command_id, coalesce(correlation_id, command_id),
           coalesce(causation_id, command_id), principal, tenant,
           (extract(epoch FROM recorded_at) * 1000000)::bigint
    FROM history.events ORDER BY position
"""
_LEDGER = "SELECT command_id, outcome, reason, position FROM history.ledger ORDER BY entry"


def waited_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own: the caller may be on an event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def fetched(url: str, *statements: str) -> list[list[Any]]:
    """Return the rows of each statement, all as they were at one moment."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [await connection.fetch(statement) for statement in statements]
    finally:
        await connection.close()


def stored_in_database(url: str) -> Stored:
    """Return what the schema `history` holds."""
    events, tags, ledger = waited_for(fetched(url, _EVENTS, "SELECT position, tag FROM history.tags", _LEDGER))
    stored = Stored((_recorded(*row) for row in events), (tuple(row) for row in tags))
    for row in ledger:
        stored.enter(*row)
    return stored


def _recorded(
    position: int, type_: str, version: int, payload: str, event_id: Any, tags: str, command_id: Any, *rest: Any
) -> Recorded:
    correlation_id, causation_id, principal, tenant, recorded_at = rest
    return Recorded(
        position, type_, version, payload.encode(), event_id.bytes, tags, command_id.bytes, correlation_id.bytes,
        causation_id.bytes, principal, tenant, recorded_at,
    )  # fmt: skip


def rows_of_database(url: str, model: str = "statement") -> list[tuple[Any, ...]]:
    """Return the rows of a read model that other SQL tools see under its live name, in order."""
    (rows,) = waited_for(fetched(url, f'SELECT * FROM views."{model}"'))
    return sorted(tuple(row) for row in rows)
