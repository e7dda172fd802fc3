"""A read model made anew from a long history while queries go on: how fast, and how much slower the queries are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from uuid import UUID

import msgspec
from examples.profiles.app import GetProfile, app

from bench.child import Child, child
from bench.filled import fill, project
from bench.freshness import p99
from bench.reading import rows_of
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.workload import users
from twofold import Node

_PAUSE = 0.002
_ALONE = 1.0
_ROUNDS = 3
_ROWS = "SELECT count(*), sum(updates) FROM profile"


def of_node(data: Path, ids: Sequence[UUID], events: int, versions: count[int], _: Path) -> Readings:
    """Return the rebuild's events a second and memory, and the queries' p99 before it and beside it."""
    url = f"sqlite:///{data}"
    with child("bench.rebuild_child", url, next(versions), events) as builder:
        check(builder.hear() == "ready", "the process that rebuilds did not start")
        alone, beside = asyncio.run(_asked_meanwhile(url, ids, builder))
        found = builder.hear()
    rows = rows_of(data / "views.db", _ROWS)
    check(rows == [(len(ids), events - len(ids))], f"the rebuilt rows add up to {rows}")
    return {"rate": events / found["seconds"], "memory": found["memory"], "alone": p99(alone), "beside": p99(beside)}


async def _asked_meanwhile(url: str, ids: Sequence[UUID], builder: Child) -> tuple[list[float], list[float]]:
    async with app.open(url, roles=("read",)) as node:
        end = time.perf_counter() + _ALONE
        alone = await _asked(node, ids, lambda: time.perf_counter() > end)
        builder.tell("rebuild")
        done = asyncio.create_task(asyncio.to_thread(builder.hear))
        beside = await _asked(node, ids, done.done)
        check(await done == "done", "the rebuild did not end as it should")
        return alone, beside


async def _asked(node: Node, ids: Sequence[UUID], is_over: Callable[[], bool]) -> list[float]:
    times: list[float] = []
    while not is_over() or len(times) < 2:
        key = ids[len(times) % len(ids)]
        started = time.perf_counter()
        profile = await node.ask(GetProfile(key))
        times.append((time.perf_counter() - started) * 1_000)
        check(profile is not None and profile.user_id == key, "a query beside a rebuild found no row")
        await asyncio.sleep(_PAUSE)
    return times


def measure(run: Run) -> Sequence[Row]:
    """Measure with a definition of another version each round."""
    events = run.sizes.rebuilt_events
    ids = users(run.sizes.few_keys)
    fewer = msgspec.structs.replace(run, rounds=min(run.rounds, _ROUNDS))
    with run.new_folder() as data:
        fill(data, ids, events)
        project(data)
        series = fewer.interleave(partial(of_node, data, ids, events, count(2)), warm_up=False)
    what = (
        f"{events:,} events over {len(ids):,} keys; a second process opens the application with a changed definition "
        "of its read model on SQLite"
    )
    return [
        row("rebuild", f"{what}; from its opening until the new version is live", "/s", series["rate"]),
        row("rebuild, memory", f"{what}; resident memory of that process at its most", "MiB", series["memory"]),
        row(
            "rebuild, queries beside it", f"{what}; 99th percentile of queries by key in a first process, one each "
            f"{_PAUSE * 1_000:g} ms", "ms", series["beside"], floor=series["alone"],
            floor_measured="the same before the rebuild", target=Target(ratio_at_most=2),
        ),
    ]  # fmt: skip
