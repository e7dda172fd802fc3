"""Live queries: how soon a change has reached every one of many watchers of one node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

from examples.profiles.app import GetProfile, RegisterUser, UpdateProfile, app

from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.workload import users

_CHANGES = 5


async def _watched(url: str, watchers: int) -> float:
    (user,) = users(1)
    async with app.open(url) as node:
        await node.caught_up(after=await node.send(RegisterUser(user, "Change 0")))
        seen: list[str] = [""] * watchers
        changed = asyncio.Condition()

        async def watch(number: int) -> None:
            async for profile in node.watch(GetProfile(user)):
                seen[number] = profile.name if profile is not None else ""
                async with changed:
                    changed.notify_all()

        async def all_have(name: str) -> None:
            async with asyncio.timeout(60), changed:
                await changed.wait_for(lambda: seen.count(name) == watchers)

        tasks = [asyncio.create_task(watch(number)) for number in range(watchers)]
        await all_have("Change 0")
        times: list[float] = []
        for number in range(1, _CHANGES + 1):
            await node.send(UpdateProfile(user, f"Change {number}"))
            started = time.perf_counter()
            await all_have(f"Change {number}")
            times.append((time.perf_counter() - started) * 1_000)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        check(all(isinstance(each, asyncio.CancelledError) for each in ended), "a watcher ended before its time")
    return median(times)


def _of_node(watchers: int, folder: Path) -> Readings:
    return {"reached": asyncio.run(_watched(f"sqlite:///{folder}", watchers))}


def measure(run: Run) -> Sequence[Row]:
    """Measure on a full node on SQLite."""
    watchers = run.sizes.watchers
    series = run.interleave(partial(_of_node, watchers))
    return [
        row(
            "a change reaches all watchers",
            f"from the receipt until each of {watchers:,} watchers of one query by key has the new answer; full node "
            "on SQLite", "ms", series["reached"], target=Target(at_most=250),
        )
    ]  # fmt: skip
