"""A read model split into two segments over two processes, against one whole in one process; on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.child import child
from bench.postgres.filled import Filled
from bench.postgres.server import server
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.variants import profiles_with

_SEGMENTS = 2


def _catch_up(name: str, history: Filled, segments: int, folder: Path) -> Readings:
    url = history.copy()
    with ExitStack() as stack:
        program = ("bench.segments_child", url, segments)
        nodes = [stack.enter_context(child(*program)) for _ in range(segments)]
        for node in nodes:
            check(node.hear() == "ready", "a projecting process did not start")
        started = time.perf_counter()
        for node in nodes:
            node.tell("project")
        asyncio.run(_caught_up(url, segments, history.events))
        seconds = time.perf_counter() - started
    history.require(url)
    return {name: history.events / seconds}


async def _caught_up(url: str, segments: int, position: int) -> None:
    async with profiles_with(segments=segments).open(url, roles=("read",)) as node:
        await node.caught_up(after=position, timeout=600)


def measure(run: Run) -> Sequence[Row]:
    """Measure both in turn."""
    with server() as place:
        history = Filled(place, run.sizes.few_keys, run.sizes.events)
        series = run.interleave(
            partial(_catch_up, "one", history, 1),
            partial(_catch_up, "two", history, _SEGMENTS),
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
