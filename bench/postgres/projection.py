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

import msgspec
from examples.profiles.app import UpdateProfile, app

from bench.child import Child, child
from bench.commands import WRITE
from bench.filled import fill_at
from bench.freshness import load_at, p99
from bench.peers import environment
from bench.peers.rates import check_durable
from bench.postgres import bare_projection
from bench.postgres.filled import Filled
from bench.postgres.server import Server, place_of, server
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run, Series
from bench.sizes import Sizes
from bench.workload import users

_PEER = "the eventsourcing library's ProjectionRunner, on the same server"


def _catch_up(name: str, history: Filled, folder: Path) -> Readings:
    url = history.copy()
    seconds = asyncio.run(_caught_up(url))
    history.require(url)
    return {name: history.events / seconds}


async def _caught_up(url: str) -> float:
    started = time.perf_counter()
    async with app.open(url, roles=("read", "project")) as node:
        await node.caught_up(timeout=600)
        return time.perf_counter() - started


def _bare(name: str, history: Filled, folder: Path) -> Readings:
    seconds, found = bare_projection.project(history.copy())
    check(found == history.expected, f"the floor's {len(found)} rows are not what the events make")
    return {name: history.events / seconds}


def _peer_catch_up(name: str, place: Server, sizes: Sizes, folder: Path) -> Readings:
    keys = min(sizes.few_keys, sizes.peer_events // 2)
    levels = f"[[16, {keys}, {sizes.peer_events}]]"
    where = place_of(place.database())
    found = environment.run("eventsourcing_work", "catch-up", "postgres", where, keys, levels)
    check_durable("postgres", found)
    expected = (keys, sizes.peer_events - keys)
    check((found["rows"], found["updates"]) == expected, f"the peer's rows add up to {found}, expected {expected}")
    return {name: sizes.peer_events / found["seconds"]}


def _freshness(name: str, place: Server, probes: int, load: int, folder: Path) -> Readings:
    url = place.database()
    ids = users(1_000 if load else 1)
    fill_at(url, ids, len(ids))
    with ExitStack() as stack:
        project = stack.enter_context(child("bench.postgres.child", url, "project"))
        read = stack.enter_context(child("bench.postgres.child", url, "read"))
        check(project.hear() == read.hear() == "ready", "a node did not start")
        times, rate = asyncio.run(_probe(url, ids, probes, load, read))
    return {name: median(times), f"{name}, p99": p99(times), f"{name}, rate": rate}


async def _probe(url: str, ids: Sequence[UUID], probes: int, load: int, read: Child) -> tuple[list[float], float]:
    times: list[float] = []
    user, *others = ids
    async with app.open(url, roles=WRITE) as node:
        loading = asyncio.create_task(load_at(node, others, load)) if load else None
        for number in range(probes):
            receipt = await node.send(UpdateProfile(user, f"Probe {number}", "x" * 80))
            started = time.perf_counter()
            read.tell(f"{user} {receipt.position}")
            # Waiting for the other process must not stop this one: it has yet to tell the others of its commit.
            found = await asyncio.to_thread(read.hear)
            times.append((time.perf_counter() - started) * 1_000)
            check(found == f"Probe {number}", f"another process saw {found!r} after the receipt of probe {number}")
        if loading is None:
            return times, 0.0
        loading.cancel()
        sent, seconds = await loading
        return times, sent / seconds


def _peer_freshness(name: str, place: Server, probes: int, folder: Path) -> Readings:
    where = place_of(place.database())
    found = environment.run("eventsourcing_work", "freshness", "postgres", where, 1, f"[[1, 1, {probes}]]")
    return {name: median(found["milliseconds"])}


def measure(run: Run) -> Sequence[Row]:
    """Measure catch-up over few keys and many, and freshness across three processes."""
    # Each contender has a database of its own, so it is half as long as on SQLite.
    sizes = msgspec.structs.replace(run.sizes, events=run.sizes.events // 2)
    with server() as place:
        few, many = (Filled(place, keys, sizes.events) for keys in (sizes.few_keys, sizes.many_keys))
        series = run.interleave(
            partial(_bare, "bare few", few),
            partial(_catch_up, "few", few),
            partial(_bare, "bare many", many),
            partial(_catch_up, "many", many),
            partial(_peer_catch_up, "peer", place, sizes),
            partial(_freshness, "fresh", place, sizes.probes, 0),
            partial(_freshness, "loaded", place, sizes.probes, sizes.load),
            partial(_peer_freshness, "peer fresh", place, max(3, sizes.probes // 20)),
            warm_up=False,
        )
    return [*_catch_up_rows(sizes, series), *_freshness_rows(sizes, series)]


def _catch_up_rows(sizes: Sizes, series: Series) -> list[Row]:
    caught_up = f"{sizes.events:,} events; opening included"
    bare = "a bare loop over asyncpg, batches of 2,000, the same rows"
    return [
        row(
            f"PostgreSQL, catch-up over {sizes.few_keys:,} keys", caught_up, "/s", series["few"],
            floor=series["bare few"], floor_measured=bare, target=Target(at_least=80_000, ratio_at_least=0.5),
        ),
        row(
            f"PostgreSQL, catch-up over {sizes.many_keys:,} keys", caught_up, "/s", series["many"],
            floor=series["bare many"], floor_measured=bare, target=Target(at_least=40_000),
        ),
        row(
            "PostgreSQL, catch-up, against eventsourcing", caught_up, "/s", series["few"], floor=series["peer"],
            floor_measured=f"{_PEER}, {sizes.peer_events:,} events", target=Target(ratio_at_least=80),
            remark="On SQLite the library has no subscription, so its runner cannot do this there.",
        ),
    ]  # fmt: skip


def _freshness_rows(sizes: Sizes, series: Series) -> list[Row]:
    across = "from a receipt in one process until a second has answered a query after it; a third projects"
    probes = f"{sizes.probes:,} probes a round"
    loaded = (
        f"under {sizes.load:,} other commands a second of the first ({median(series['loaded, rate']):,.0f} reached)"
    )
    wait = "the eventsourcing library's wait(), in one process"
    return [
        row(
            "PostgreSQL, freshness across processes", f"{across}; {probes}; median", "ms", series["fresh"],
            target=Target(at_most=8),
        ),
        row(
            "PostgreSQL, freshness across processes, p99", f"{across}; {probes}; 99th percentile", "ms",
            series["fresh, p99"],
        ),
        row(
            "PostgreSQL, freshness against eventsourcing", f"{across}; {probes}; median", "ms", series["fresh"],
            floor=series["peer fresh"], floor_measured=wait, target=Target(ratio_at_most=1 / 20),
        ),
        row(
            "PostgreSQL, freshness, loaded", f"{across}; {loaded}; {probes}; median", "ms", series["loaded"],
        ),
        row(
            "PostgreSQL, freshness, loaded, p99", f"{across}; {loaded}; {probes}; 99th percentile", "ms",
            series["loaded, p99"], target=Target(at_most=25),
        ),
    ]  # fmt: skip
