"""Projections on PostgreSQL: how fast a read model is filled, and how soon another process sees a commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from uuid import UUID

from examples.profiles.app import UpdateProfile, app

from bench.catch_up import events_in
from bench.child import child
from bench.commands import WRITE
from bench.filled import fill_at
from bench.peers import environment
from bench.postgres.server import Server, place_of, rows_of, server
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes
from bench.workload import users

_PEER = "the eventsourcing library's ProjectionRunner, on the same server"
_ROWS = "SELECT user_id, name, bio, updates FROM views.profile ORDER BY user_id"
_EXPECTED = (
    "SELECT DISTINCT ON (user_id) user_id, name, bio, count(*) OVER (PARTITION BY user_id) - 1 "
    "FROM (SELECT position, (payload::json->>'user_id')::uuid AS user_id, payload::json->>'name' AS name, "
    "coalesce(payload::json->>'bio', '') AS bio FROM history.events) AS event ORDER BY user_id, position DESC"
)


def _catch_up(name: str, place: Server, keys: int, events: int, folder: Path) -> Readings:
    url = place.database()
    fill_at(url, users(keys), events)
    seconds = asyncio.run(_caught_up(url))
    found = rows_of(url, _ROWS)
    check(found == rows_of(url, _EXPECTED), f"the read model's {len(found)} rows are not what the events make")
    check(events_in(found) == events, "the read model has not seen every event")
    return {name: events / seconds}


async def _caught_up(url: str) -> float:
    started = time.perf_counter()
    async with app.open(url, roles=("read", "project")) as node:
        await node.caught_up(timeout=600)
        return time.perf_counter() - started


def _peer_catch_up(name: str, place: Server, sizes: Sizes, folder: Path) -> Readings:
    keys = min(sizes.few_keys, sizes.peer_events // 2)
    found = environment.run(
        "eventsourcing_profiles", "catch-up", "postgres", place_of(place.database()), keys, sizes.peer_events, 16
    )
    expected = (keys, sizes.peer_events - keys)
    check((found["rows"], found["updates"]) == expected, f"the peer's rows add up to {found}, expected {expected}")
    return {name: sizes.peer_events / found["seconds"]}


def _freshness(name: str, place: Server, probes: int, folder: Path) -> Readings:
    url = place.database()
    (user,) = users(1)
    fill_at(url, [user], 1)
    with ExitStack() as stack:
        project = stack.enter_context(child("bench.postgres.child", url, "project"))
        read = stack.enter_context(child("bench.postgres.child", url, "read"))
        check(project.hear() == read.hear() == "ready", "a node did not start")
        times: list[float] = asyncio.run(_probe(url, user, probes, read))
    times.sort()
    return {name: median(times), f"{name}, p99": times[int(len(times) * 0.99)]}


async def _probe(url: str, user: UUID, probes: int, read: object) -> list[float]:
    times: list[float] = []
    async with app.open(url, roles=WRITE) as node:
        for number in range(probes):
            receipt = await node.send(UpdateProfile(user, f"Probe {number}", "x" * 80))
            started = time.perf_counter()
            read.tell(f"{user} {receipt.position}")  # type: ignore[attr-defined]
            # Waiting for the other process must not stop this one: it has yet to tell the others of its commit.
            found = await asyncio.to_thread(read.hear)  # type: ignore[attr-defined]
            times.append((time.perf_counter() - started) * 1_000)
            check(found == f"Probe {number}", f"another process saw {found!r} after the receipt of probe {number}")
    return times


def _peer_freshness(name: str, place: Server, probes: int, folder: Path) -> Readings:
    found = environment.run("eventsourcing_profiles", "freshness", "postgres", place_of(place.database()), 1, probes, 4)
    return {name: median(found["milliseconds"])}


def measure(run: Run) -> Sequence[Row]:
    """Measure catch-up over few keys and many, and freshness across three processes."""
    sizes = run.sizes
    with server() as place:
        series = run.interleave(
            partial(_catch_up, "few", place, sizes.few_keys, sizes.events),
            partial(_catch_up, "many", place, sizes.many_keys, sizes.events),
            partial(_peer_catch_up, "peer", place, sizes),
            partial(_freshness, "fresh", place, sizes.probes),
            partial(_peer_freshness, "peer fresh", place, max(3, sizes.probes // 20)),
        )
    caught_up = f"{sizes.events:,} events; opening included"
    across = (
        "from a receipt in one process until a second has answered a query after it; a third projects; "
        f"{sizes.probes:,} probes a round"
    )
    return [
        row(
            f"PostgreSQL, catch-up over {sizes.few_keys:,} keys", caught_up, "/s", series["few"],
            target=Target(at_least=40_000),
        ),
        row(f"PostgreSQL, catch-up over {sizes.many_keys:,} keys", caught_up, "/s", series["many"]),
        row(
            "PostgreSQL, catch-up, against eventsourcing", caught_up, "/s", series["few"], floor=series["peer"],
            floor_measured=f"{_PEER}, {sizes.peer_events:,} events", target=Target(ratio_at_least=40),
        ),
        row(
            "PostgreSQL, freshness across processes", f"{across}; median", "ms", series["fresh"],
            floor=series["peer fresh"], floor_measured="the eventsourcing library's wait(), in one process",
            target=Target(at_most=10),
        ),
        row("PostgreSQL, freshness across processes, p99", f"{across}; 99th percentile", "ms", series["fresh, p99"]),
    ]  # fmt: skip
