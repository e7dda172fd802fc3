"""Several processes that write to one history at once: they share it, each with its own cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from examples.profiles.app import app

from bench.child import child
from bench.commands import WRITE
from bench.filled import fill_at
from bench.result import Row, check, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes
from bench.workload import users


def together(name: str, number: int, sizes: Sizes, folder: Path) -> Readings:
    """Return the commands a second of so many processes together on SQLite."""
    return {name: rate_of(f"sqlite:///{folder}", number, sizes.users, sizes.commands, sizes.in_flight)}


def rate_of(url: str, number: int, boundaries: int, commands: int, in_flight: int) -> float:
    """Return the commands a second of so many processes together, from the word until the last has all its receipts."""
    ids = users(boundaries)
    fill_at(url, ids, len(ids))
    each = commands // number
    with ExitStack() as stack:
        writers = [stack.enter_context(child("bench.processes_child", url, each, in_flight)) for _ in range(number)]
        for writer in writers:
            writer.tell(" ".join(map(str, ids)))
        for writer in writers:
            check(writer.hear() == "ready", "a writing process did not start")
        started = time.perf_counter()
        for writer in writers:
            writer.tell()
        positions = [position for writer in writers for position in writer.hear()]
        seconds = time.perf_counter() - started
        positions += [position for writer in writers for position in writer.hear()]
    asyncio.run(_check(url, len(ids), positions))
    return number * each / seconds


async def _check(url: str, before: int, positions: Sequence[int]) -> None:
    expected = list(range(before + 1, before + len(positions) + 1))
    check(sorted(positions) == expected, "the receipts' positions are not dense, or two receipts have the same")
    async with app.open(url, roles=WRITE) as node:
        stored = [recorded.position async for recorded in node.events()]
    check(stored == list(range(1, expected[-1] + 1)), f"expected positions 1 to {expected[-1]}, found {len(stored)}")


def measure(run: Run) -> Sequence[Row]:
    """Measure two writing processes against one."""
    sizes = run.sizes
    series = run.interleave(partial(together, "one", 1, sizes), partial(together, "two", 2, sizes), warm_up=False)
    return [
        row(
            "two processes, one history",
            f"{sizes.commands:,} commands in all over {sizes.users:,} boundaries, {sizes.in_flight} in flight in each "
            "process",
            "/s", series["two"], floor=series["one"], floor_measured="one such process alone",
        )
    ]  # fmt: skip
