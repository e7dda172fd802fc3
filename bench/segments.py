"""A read model split into two segments over two processes, against one whole in one process; on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.child import child
from bench.filled import fill_at
from bench.postgres.projection import EXPECTED, ROWS
from bench.postgres.server import Server, rows_of, server
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes
from bench.variants import profiles_with
from bench.workload import users

_SEGMENTS = 2


def _catch_up(name: str, place: Server, segments: int, sizes: Sizes, folder: Path) -> Readings:
    url = place.database()
    fill_at(url, users(sizes.few_keys), sizes.events)
    with ExitStack() as stack:
        program = ("bench.segments_child", url, segments)
        nodes = [stack.enter_context(child(*program)) for _ in range(segments)]
        for node in nodes:
            check(node.hear() == "ready", "a projecting process did not start")
        started = time.perf_counter()
        for node in nodes:
            node.tell("project")
        asyncio.run(_caught_up(url, segments, sizes.events))
        seconds = time.perf_counter() - started
    found = rows_of(url, ROWS)
    check(found == rows_of(url, EXPECTED), f"the read model's {len(found)} rows are not what the events make")
    return {name: sizes.events / seconds}


async def _caught_up(url: str, segments: int, position: int) -> None:
    async with profiles_with(segments=segments).open(url, roles=("read",)) as node:
        await node.caught_up(after=position, timeout=600)


def measure(run: Run) -> Sequence[Row]:
    """Measure both in turn."""
    with server() as place:
        series = run.interleave(
            partial(_catch_up, "one", place, 1, run.sizes),
            partial(_catch_up, "two", place, _SEGMENTS, run.sizes),
            warm_up=False,
        )
    return [
        row(
            "PostgreSQL, catch-up in two segments",
            f"{run.sizes.events:,} events over {run.sizes.few_keys:,} keys; two processes, each with a segment; "
            "opening included",
            "/s", series["two"], floor=series["one"], floor_measured="one process with the whole read model",
            target=Target(ratio_at_least=1.3),
        )
    ]  # fmt: skip
