"""Projection catch-up: a new read model is filled from a long history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from examples.profiles.app import app

from bench import bare_projection
from bench.filled import fill
from bench.reading import rows_of
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.workload import users

_ROWS = "SELECT user_id, name, bio, updates FROM profile ORDER BY user_id"


def floor_rate(history: Path, folder: Path) -> Readings:
    """Return the bare projection's events a second."""
    seconds, rows = bare_projection.project(history / "history.db", folder / "views.db")
    return {"floor": events_in(rows) / seconds}


def node_rate(history: Path, expected: Sequence[tuple[Any, ...]], folder: Path) -> Readings:
    """Return the events a second of a node that has no read models yet, from its opening until it has caught up."""
    seconds = asyncio.run(_catch_up(history, folder))
    found = rows_of(folder / "views.db", _ROWS)
    check(found == expected, f"the read model's {len(found)} rows are not the {len(expected)} that a bare loop makes")
    return {"node": events_in(found) / seconds}


async def _catch_up(history: Path, folder: Path) -> float:
    started = time.perf_counter()
    async with app.open(f"sqlite:///{history}", views=f"sqlite:///{folder}", roles=("read", "project")) as node:
        await node.caught_up(timeout=600)
        seconds = time.perf_counter() - started
        (status,) = await node.models()
        check(status.lag == 0 and status.parked == 0, f"the projection is not complete: {status}")
        return seconds


def events_in(rows: Sequence[tuple[Any, ...]]) -> int:
    """Return how many events a read model's rows have seen: each one's registration, and its updates."""
    return sum(1 + int(row[3]) for row in rows)


def measure(run: Run) -> Sequence[Row]:
    """Measure over few keys, where rows are met again and again, and over many, where each batch finds others."""
    rows: list[Row] = []
    for keys in (run.sizes.few_keys, run.sizes.many_keys):
        with run.new_folder() as history:
            fill(history, users(keys), run.sizes.events)
            _, expected = bare_projection.project(history / "history.db", history / "expected.db")
            series = run.interleave(partial(floor_rate, history), partial(node_rate, history, expected))
        rows.append(
            row(
                f"catch-up over {keys:,} keys", f"{run.sizes.events:,} events, no views.db; opening included", "/s",
                series["node"], floor=series["floor"], floor_measured="a bare loop, batches of 2,000, the same rows",
                target=Target(at_least=100_000 if keys == run.sizes.few_keys else 50_000),
            )
        )  # fmt: skip
    return rows
