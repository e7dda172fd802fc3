"""A storm: four processes that decide on one boundary at once, so that nearly every batch of one conflicts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from examples.profiles.app import app

from bench.child import child
from bench.commands import WRITE
from bench.filled import fill_at
from bench.postgres.server import server
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.workload import users

_PROCESSES, _IN_FLIGHT = 4, 25


def together(name: str, url: str, seconds: float) -> Readings:
    """Return what all processes did a second, and the share of the slowest of its fair one."""
    (user,) = users(1)
    fill_at(url, [user], 1)
    with ExitStack() as stack:
        program = ("bench.storm_child", url, str(user), str(seconds), _IN_FLIGHT)
        writers = [stack.enter_context(child(*program)) for _ in range(_PROCESSES)]
        for writer in writers:
            check(writer.hear() == "ready", "a writing process did not start")
        for writer in writers:
            writer.tell()
        positions: list[list[int]] = [writer.hear() for writer in writers]
    counts = [len(each) for each in positions]
    asyncio.run(_check(url, sorted(position for each in positions for position in each)))
    return {name: sum(counts) / seconds, f"{name}, fair": min(counts) / (sum(counts) / _PROCESSES)}


async def _check(url: str, positions: Sequence[int]) -> None:
    check(positions == sorted(set(positions)), "two receipts have the same position")
    async with app.open(url, roles=WRITE) as node:
        stored = {recorded.position async for recorded in node.events()}
    check(stored >= set(positions), "a receipt's event is not stored")
    check(stored == set(range(1, len(stored) + 1)), "positions are not dense")
    check(len(stored) == len(positions) + 1, f"{len(positions)} receipts were given, {len(stored) - 1} events stored")


def _sqlite(seconds: float, folder: Path) -> Readings:
    return together("SQLite", f"sqlite:///{folder}", seconds)


def measure(run: Run) -> Sequence[Row]:
    """Measure both engines in turn."""
    window = run.sizes.window
    with server() as place:
        series = run.interleave(
            partial(_sqlite, window), lambda _: together("PostgreSQL", place.database(), window), warm_up=False
        )
    what = f"{_PROCESSES} processes on one boundary, {_IN_FLIGHT} in flight in each, {window:g} s a round"
    return [
        found
        for engine in ("SQLite", "PostgreSQL")
        for found in (
            row(f"storm, {engine}", f"{what}; all together", "/s", series[engine], target=Target(at_least=500)),
            row(
                f"storm, {engine}, fairness", f"{what}; commands of the slowest against a fair share",
                "of a fair share", series[f"{engine}, fair"], target=Target(at_least=0.5),
            ),
        )
    ]  # fmt: skip
