"""The floor of a projection on PostgreSQL: fetch, decode, fold, write back in batches, with nothing around it.

It knows that there is one read model with one key, holds no lease, parks nothing and tells nobody.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import msgspec

_BATCH = 2_000
_READ = "SELECT position, type, payload FROM history.events WHERE position > $1 ORDER BY position LIMIT $2"
_LOAD = "SELECT user_id::text, name, bio, updates FROM bare.profile WHERE user_id = ANY($1::uuid[])"
_STORE = (
    "INSERT INTO bare.profile SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) "
    "ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, bio = excluded.bio, updates = excluded.updates"
)
_MOVE = "UPDATE bare.checkpoint SET position = $1"
_SCHEMA = """
CREATE SCHEMA bare;
CREATE TABLE bare.profile (user_id uuid PRIMARY KEY, name text NOT NULL, bio text NOT NULL, updates bigint NOT NULL);
CREATE TABLE bare.checkpoint (position bigint NOT NULL);
INSERT INTO bare.checkpoint VALUES (0);
"""


class Event(msgspec.Struct):
    """What a row is made of; a registration has no text about the user."""

    user_id: str
    name: str
    bio: str = ""


def project(url: str) -> tuple[float, list[tuple[Any, ...]]]:
    """Project a history into a new table; return the seconds and the rows, ordered by key."""
    return asyncio.run(_project(url))


async def _project(url: str) -> tuple[float, list[tuple[Any, ...]]]:
    source, target = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        started = time.perf_counter()
        await target.execute(_SCHEMA)
        position = 0
        read = await source.prepare(_READ)
        while batch := await read.fetch(position, _BATCH):
            position = batch[-1][0]
            await _apply(target, batch, position)
        seconds = time.perf_counter() - started
        rows = await target.fetch("SELECT user_id, name, bio, updates FROM bare.profile ORDER BY user_id")
        return seconds, [tuple(row) for row in rows]
    finally:
        await source.close()
        await target.close()


async def _apply(target: asyncpg.Connection[Any], batch: list[Any], position: int) -> None:
    decode = msgspec.json.Decoder(Event).decode
    events = [(type_, decode(payload)) for _, type_, payload in batch]
    async with target.transaction():
        found = await target.fetch(_LOAD, list({event.user_id for _, event in events}))
        rows: dict[str, list[Any]] = {row[0]: list(row) for row in found}
        for type_, event in events:
            row = rows.setdefault(event.user_id, [event.user_id, "", "", 0])
            row[1] = event.name
            if type_ == "ProfileUpdated":
                row[2] = event.bio
                row[3] += 1
        await target.execute(_STORE, *map(list, zip(*rows.values(), strict=True)))
        await target.execute(_MOVE, position)
