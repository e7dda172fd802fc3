"""View stores and projections on a database, taken apart; also what a stopped worker runs in a process of its own.

`python -m tests.postgres.views_rig URL PLANTED` folds one batch under a short lease, says so, and stores it when told.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.views import PostgresViews
from twofold.read.store import Advance, ViewStore
from twofold.read.table import Table
from twofold.testing.contracts.rows import HISTORY, NOTES, Note

SHORT = 0.05


class Unfenced(PostgresViews):
    """A planted bug: stores a batch whatever the epoch of the lease is by now."""

    def _advance(self, table: Table[Any], advance: Advance) -> tuple[Any, ...]:
        text, *values = super()._advance(table, advance)
        return (text.replace("AND epoch = $6", "AND $6::bigint IS NOT NULL"), *values)


@asynccontextmanager
async def opened(url: str, kind: type[PostgresViews] = PostgresViews) -> AsyncIterator[PostgresViews]:
    address = read_address(url, {})
    store = kind(Server(address, "reader"), Server(address, "projector"))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return what a superuser reads with another tool."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def batch(name: str, expected: int, epoch: int) -> Advance:
    return Advance(expected, expected + 1, [NOTES.row(Note(name))], epoch=epoch)


async def taken_over(store: ViewStore, holder: str) -> int:
    """Claim until the lease is ours, and return its epoch."""
    while not (lease := await store.claim(NOTES, holder, 3600)).mine:
        await asyncio.sleep(lease.seconds)
    return lease.epoch


async def work(url: str, kind: type[PostgresViews]) -> None:
    async with opened(url, kind) as store:
        await store.prepare(NOTES, HISTORY)
        lease = await store.claim(NOTES, "stopped", SHORT)
        assert await store.apply(NOTES, batch("a", 0, lease.epoch))
        folded = batch("stale", 1, lease.epoch)
        print("folded", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(await store.apply(NOTES, folded), flush=True)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Unfenced if sys.argv[2] == "planted" else PostgresViews))
