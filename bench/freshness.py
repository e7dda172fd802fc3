"""Freshness: how soon after its commit an event is seen by a query that waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from uuid import UUID

import apsw
from examples.profiles.app import GetProfile, UpdateProfile, app

from bench import bare_projection
from bench.filled import fill
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.workload import closed_loop, registrations, updates, users
from twofold import Node

_TICK = 0.01


def of_node(name: str, probes: int, load: int, folder: Path) -> Readings:
    """Return median and 99th percentile in milliseconds, with so many other commands a second going on."""
    return asyncio.run(_of_node(name, probes, load, folder))


async def _of_node(name: str, probes: int, load: int, folder: Path) -> Readings:
    ids = users(1_000)
    async with app.open(f"sqlite:///{folder}") as node:
        await closed_loop(node, registrations(ids), 100)
        await node.caught_up()
        others = ids[1:]
        loading = asyncio.create_task(load_at(node, others, load)) if load else None
        whole, times = await _probe(node, ids[0], probes, pause=2 * _TICK if load else 0)
        readings = {name: median(times), f"{name}, p99": p99(times), f"{name}, whole": median(whole)}
        if loading is not None:
            loading.cancel()
            sent, seconds = await loading
            readings[f"{name}, load"] = sent / seconds
        return readings


async def _probe(node: Node, user: UUID, probes: int, pause: float) -> tuple[list[float], list[float]]:
    whole: list[float] = []
    times: list[float] = []
    for number in range(probes):
        sent = time.perf_counter()
        receipt = await node.send(UpdateProfile(user, f"Probe {number}", "x" * 80))
        started = time.perf_counter()
        profile = await node.ask(GetProfile(user), after=receipt)
        answered = time.perf_counter()
        times.append((answered - started) * 1_000)
        whole.append((answered - sent) * 1_000)
        check(profile is not None and profile.name == f"Probe {number}", "a query after a receipt saw an older row")
        await asyncio.sleep(pause)
    return whole, times


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return quantiles(times, n=100)[98] if len(times) > 1 else times[0]


async def load_at(node: Node, others: Sequence[UUID], rate: int) -> tuple[int, float]:
    """Send at a steady rate, whether or not the node keeps up, until cancelled; return how many it took, and how long.

    A command is due at its time of a fixed timetable, so a slow answer does not slow the load down.
    """
    waiting = updates(others, 10_000_000)
    under_way: set[asyncio.Task[object]] = set()
    started = time.perf_counter()
    sent = answered = 0

    def done(task: asyncio.Task[object]) -> None:
        nonlocal answered
        under_way.discard(task)
        answered += task.exception() is None

    try:
        while True:
            due = int((time.perf_counter() - started) * rate)
            for _ in range(due - sent):
                command, command_id = next(waiting)
                task: asyncio.Task[object] = asyncio.create_task(node.send(command, command_id=command_id))
                under_way.add(task)
                task.add_done_callback(done)
            sent = due
            await asyncio.sleep(_TICK)
    except asyncio.CancelledError:
        seconds = time.perf_counter() - started
        took = answered
        await asyncio.gather(*under_way)
        return took, seconds


def of_floor(probes: int, folder: Path) -> Readings:
    """Return the median milliseconds that it takes to read an event, store its row and checkpoint, and select it."""
    ids = users(100)
    fill(folder, ids, len(ids) + probes)
    source = apsw.Connection(str(folder / "history.db"), flags=apsw.SQLITE_OPEN_READONLY)
    _, before = bare_projection.project(folder / "history.db", folder / "floor.db", len(ids))
    target = apsw.Connection(str(folder / "floor.db"))
    reader = apsw.Connection(str(folder / "floor.db"), flags=apsw.SQLITE_OPEN_READONLY)
    target.pragma("synchronous", 1)
    times: list[float] = []
    for position in range(len(ids) + 1, len(ids) + probes + 1):
        started = time.perf_counter()
        batch = source.execute(bare_projection.READ, (position - 1, position, 1)).fetchall()
        key = bare_projection.apply(target, batch, position)[0]
        found = reader.execute(bare_projection.LOAD, key).fetchall()
        times.append((time.perf_counter() - started) * 1_000)
        check(len(found) == 1 and int(str(found[0][3])) > 0, "the floor does not see its own row")
    for connection in (source, target, reader):
        connection.close()
    check(len(before) == len(ids), "the floor's history is not what it should be")
    return {"floor": median(times)}


def measure(run: Run) -> Sequence[Row]:
    """Measure on an idle node and on one that takes commands at a steady rate."""
    probes, load = run.sizes.probes, run.sizes.load
    series = run.interleave(
        partial(of_floor, probes),
        partial(of_node, "idle", probes, 0),
        partial(of_node, "loaded", probes, load),
    )
    floor = "read the event, store row and checkpoint, select, through apsw"
    rows: list[Row] = []
    for name, circumstances, remark in (
        ("idle", "nothing else going on", ""),
        (
            "loaded",
            f"under {load:,} other commands a second",
            f"The load reached {median(series['loaded, load']):,.0f} commands a second.",
        ),
    ):
        receipt, sending = "from the receipt", "from the sending of the command"
        until = f"to the answer of ask(…, after=receipt), {circumstances}; {probes:,} probes a round"
        rows += [
            row(
                f"freshness, {name}, median", f"{receipt} {until}; median", "ms", series[name],
                floor=series["floor"], floor_measured=floor, target=Target(at_most=3), remark=remark,
            ),
            row(
                f"freshness, {name}, p99", f"{receipt} {until}; 99th percentile", "ms", series[f"{name}, p99"],
                target=Target(at_most=25) if name == "loaded" else None,
            ),
            row(f"send, then ask, {name}", f"{sending} {until}; median", "ms", series[f"{name}, whole"]),
        ]  # fmt: skip
    return rows
