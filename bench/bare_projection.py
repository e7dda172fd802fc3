"""The floor of a projection: read, decode, fold, write back in batches, with nothing around it.

It knows that there is one read model with one key, parks nothing, yields to nobody and notes no freshness.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

_BATCH = 2_000
READ = "SELECT position, type, payload FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
LOAD = "SELECT user_id, name, bio, updates FROM profile WHERE user_id = ?"
_STORE = "REPLACE INTO profile VALUES (?, ?, ?, ?)"
_SCHEMA = """
CREATE TABLE profile (user_id TEXT PRIMARY KEY, name TEXT NOT NULL, bio TEXT NOT NULL, updates INTEGER NOT NULL) STRICT;
CREATE TABLE checkpoint (position INTEGER NOT NULL);
INSERT INTO checkpoint VALUES (0);
"""


class Registered(msgspec.Struct):
    """A row's first event."""

    user_id: str
    name: str


class Updated(msgspec.Struct):
    """Every later event."""

    user_id: str
    name: str
    bio: str


def project(history: Path, views: Path, until: int = 2**62) -> tuple[float, list[tuple[Any, ...]]]:
    """Project a history, up to a position, into a new file; return the seconds and the rows, ordered by key."""
    started = time.perf_counter()
    source = apsw.Connection(str(history), flags=apsw.SQLITE_OPEN_READONLY)
    target = apsw.Connection(str(views))
    try:
        target.pragma("journal_mode", "wal")
        target.pragma("synchronous", 1)
        for connection in (source, target):
            connection.pragma("cache_size", -65536)
        target.execute(_SCHEMA)
        position = 0
        batch: list[tuple[Any, ...]]
        while batch := source.execute(READ, (position, until, _BATCH)).fetchall():
            position = batch[-1][0]
            apply(target, batch, position)
        seconds = time.perf_counter() - started
        return seconds, target.execute("SELECT * FROM profile ORDER BY user_id").fetchall()
    finally:
        source.close()
        target.close()


def apply(target: apsw.Connection, batch: Sequence[tuple[Any, ...]], position: int) -> list[tuple[str]]:
    """Fold a batch into its rows and move the checkpoint, in one transaction; return the keys."""
    registered, updated = msgspec.json.Decoder(Registered), msgspec.json.Decoder(Updated)
    events = [updated.decode(p) if type_ == "ProfileUpdated" else registered.decode(p) for _, type_, p in batch]
    keys = [(key,) for key in dict.fromkeys(event.user_id for event in events)]
    target.execute("BEGIN IMMEDIATE")
    rows: dict[str, list[Any]] = {row[0]: list(row) for row in target.executemany(LOAD, keys)}
    for event in events:
        row = rows.setdefault(event.user_id, [event.user_id, "", "", 0])
        row[1] = event.name
        if isinstance(event, Updated):
            row[2] = event.bio
            row[3] += 1
    target.executemany(_STORE, rows.values())
    target.execute("UPDATE checkpoint SET position = ?", (position,))
    target.execute("COMMIT")
    return keys
