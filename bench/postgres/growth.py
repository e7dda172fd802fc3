"""Growth: whether an append costs more the longer the history is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from statistics import median

from examples.profiles.app import app

from bench.commands import WRITE
from bench.filled import append_all
from bench.postgres.commands import IN_FLIGHT
from bench.postgres.server import Server, server
from bench.result import Row, row
from bench.rounds import Run
from bench.workload import closed_loop, registrations, updates, users

_PROBES = 5


def measure(run: Run) -> Sequence[Row]:
    """Measure the same commands at growing lengths of one history."""
    with server() as place:
        rates = asyncio.run(_grown(place, run))
    shortest = rates[run.sizes.growth[0]]
    return [
        row(
            f"PostgreSQL, commands at {length:,} events",
            f"{IN_FLIGHT} in flight over {run.sizes.users:,} boundaries; {_PROBES} times {run.sizes.commands // 4:,}",
            "/s", values, floor=shortest, floor_measured=f"the same at {run.sizes.growth[0]:,} events",
        )
        for length, values in rates.items()
    ]  # fmt: skip


async def _grown(place: Server, run: Run) -> dict[int, list[float]]:
    url = place.database()
    sizes = run.sizes
    ids = users(sizes.users)
    found: dict[int, list[float]] = {}
    for length in sizes.growth:
        async with app.open(url, roles=WRITE) as node:
            if await node.history.head() == 0:
                await append_all(node.history, registrations(ids))
            await append_all(node.history, updates(ids, length - await node.history.head()))
        async with app.open(url, roles=WRITE) as node:
            await closed_loop(node, updates(ids, sizes.commands // 4), IN_FLIGHT)
            found[length] = []
            for _ in range(_PROBES):
                started = time.perf_counter()
                await closed_loop(node, updates(ids, sizes.commands // 4), IN_FLIGHT)
                found[length].append(sizes.commands // 4 / (time.perf_counter() - started))
        run.say(f"  at {length:,} events: {median(found[length]):,.0f}/s")
    return found
