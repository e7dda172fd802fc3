"""How long a command takes at half of the load that a node can bear, and how much CPU time it costs."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from examples.profiles.app import UpdateProfile, app

from bench.commands import WRITE
from bench.freshness import p99
from bench.postgres.server import server
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes
from bench.workload import Sent, closed_loop, registrations, updates, users
from twofold import Node

_IN_FLIGHT = 64
_TICK = 0.001


def of_node(name: str, url: str, sizes: Sizes) -> Readings:
    """Return the CPU time of a command at full load, and how long commands took at half of it."""
    return asyncio.run(_of_node(name, url, sizes))


async def _of_node(name: str, url: str, sizes: Sizes) -> Readings:
    ids = users(sizes.users)
    async with app.open(url, roles=WRITE) as node:
        await closed_loop(node, registrations(ids), _IN_FLIGHT)
        sent = sizes.commands // 2
        prepared = list(updates(ids, sent))
        started, used = time.perf_counter(), time.process_time()
        await closed_loop(node, prepared, _IN_FLIGHT)
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
        del prepared
        half = sent / seconds / 2
        count = max(20, int(half * sizes.window))
        times = await at_rate(node, updates(ids, count), count, half)
        with _set_aside():
            as_run = await at_rate(node, updates(ids, count), count, half)
        stored = await node.history.head()
        expected = len(ids) + sent + 2 * count
        check(stored == expected, f"{expected} commands were accepted, {stored} events are stored")
    return {
        f"{name}, cpu": cpu / sent * 1e6,
        f"{name}, p50": median(times),
        f"{name}, p99": p99(times),
        f"{name}, p99 as run": p99(as_run),
        f"{name}, rate": half,
    }


@contextmanager
def _set_aside() -> Iterator[None]:
    """Keep what is there by now out of the garbage collector's sight, as `twofold run` does when it has started."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def at_rate(node: Node, sent: Iterable[Sent], count: int, rate: float) -> list[float]:
    """Send by a fixed timetable; return the milliseconds of each from when it was due until its receipt."""
    times: list[float] = []
    waiting = iter(sent)
    begun = time.perf_counter()

    async def one(command: UpdateProfile, number: int, command_id: object) -> None:
        await node.send(command, command_id=command_id)  # type: ignore[arg-type]
        times.append((time.perf_counter() - begun - number / rate) * 1_000)

    async with asyncio.TaskGroup() as group:
        started = 0
        while started < count:
            due = min(count, int((time.perf_counter() - begun) * rate) + 1)
            for number in range(started, due):
                command, command_id = next(waiting)
                group.create_task(one(command, number, command_id))  # type: ignore[arg-type]
            started = due
            await asyncio.sleep(_TICK)
    return times


def _sqlite(sizes: Sizes, folder: Path) -> Readings:
    return of_node("SQLite", f"sqlite:///{folder}", sizes)


def measure(run: Run) -> Sequence[Row]:
    """Measure both engines in turn."""
    sizes = run.sizes
    with server() as place:
        series = run.interleave(
            partial(_sqlite, sizes), lambda _: of_node("PostgreSQL", place.database(), sizes), warm_up=False
        )
    rows: list[Row] = []
    for engine in ("SQLite", "PostgreSQL"):
        half = f"half of what {_IN_FLIGHT} in flight reached just before ({median(series[f'{engine}, rate']):,.0f}/s)"
        what = f"a command at {half}, by a fixed timetable, over {sizes.users:,} boundaries; from when it was due"
        rows += [
            row(f"latency at half load, {engine}", f"{what}; median", "ms", series[f"{engine}, p50"]),
            row(
                f"latency at half load, {engine}, p99", f"{what}; 99th percentile", "ms", series[f"{engine}, p99"],
                target=Target(at_most=20),
            ),
            row(
                f"latency at half load as run, {engine}, p99",
                "the same after `gc.freeze()`, as `twofold run` does when it has started; 99th percentile",
                "ms", series[f"{engine}, p99 as run"], target=Target(at_most=20),
            ),
            row(
                f"CPU time a command, {engine}", f"{_IN_FLIGHT} in flight; of the node's process, threads included, "
                "the sending loop too", "µs", series[f"{engine}, cpu"],
                remark="" if engine == "SQLite" else "The server's own time is not in it.",
            ),
        ]  # fmt: skip
    return rows
