"""A node on a history of some length, in a process of its own: see bench.growth.

    python -m bench.growth_child URL LENGTH COMMANDS ASKS

It fills a read model, asks, decides cold, says what that took; then, at each word, sends so many commands.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Sequence
from statistics import median
from uuid import UUID

import psutil
from examples.profiles.app import GetProfile, UpdateProfile

from bench.application import ProfilePage, app
from bench.ask import PAGE
from bench.child import say
from bench.commands import WRITE
from bench.grown import chosen, users_at
from bench.result import check
from bench.workload import closed_loop, updates
from twofold import Node
from twofold.clock import new_uuid

_IN_FLIGHT = 64
_BOUNDARIES = 1_000
_COLD = 20
_MEBIBYTE = 2**20


async def run(url: str, length: int, count: int, asks: int) -> None:
    """Say the readings of the read side and of cold decisions, then those of commands at each word."""
    ids = users_at(length)
    found = {"catch-up": length / await _catch_up(url, length)}
    async with app.open(url, roles=("read",)) as node:
        found["ask"] = await _asked(node, ids, asks)
        found["page"] = await _paged(node, len(ids), max(1, asks // 20))
    async with app.open(url, roles=WRITE) as node:
        found["cold"] = await _cold(node, ids)
        warm = chosen(ids, _BOUNDARIES)
        await closed_loop(node, updates(warm, len(warm)), _IN_FLIGHT)
        found["memory"] = psutil.Process(os.getpid()).memory_info().rss / _MEBIBYTE
        say(found)
        while sys.stdin.readline().strip():
            say(await _commands(node, warm, count))


async def _catch_up(url: str, length: int) -> float:
    started = time.perf_counter()
    async with app.open(url, roles=("read", "project")) as node:
        await node.caught_up(timeout=1_800)
        seconds = time.perf_counter() - started
        (status,) = await node.models()
        check(status.lag == 0 and status.parked == 0, f"the projection is not complete: {status}")
        check(status.checkpoint == length, f"the projection has seen {status.checkpoint} of {length} events")
    return seconds


async def _asked(node: Node, ids: Sequence[UUID], asks: int) -> float:
    keys = random.Random(7).choices(ids, k=asks)
    started = time.perf_counter()
    answered = [await node.ask(GetProfile(key)) for key in keys]
    seconds = time.perf_counter() - started
    check([found and found.user_id for found in answered] == keys, "a query by key found another row, or none")
    return seconds / asks * 1e6


async def _paged(node: Node, rows: int, pages: int) -> float:
    cursor: str | None = None
    started = time.perf_counter()
    for _ in range(pages):
        found = await node.ask(ProfilePage(PAGE, cursor))
        check(len(found) == min(PAGE, rows) or found.next is None, f"a page has {len(found)} rows")
        cursor = found.next
    return (time.perf_counter() - started) / pages * 1e6


async def _cold(node: Node, ids: Sequence[UUID]) -> float:
    times: list[float] = []
    for user in chosen(ids, _COLD, skip=1):
        started = time.perf_counter()
        await node.send(UpdateProfile(user, "Cold"), command_id=new_uuid())
        times.append((time.perf_counter() - started) * 1_000)
    return median(times)


async def _commands(node: Node, ids: Sequence[UUID], count: int) -> float:
    before = await node.history.head()
    sent = list(updates(ids, count))
    started = time.perf_counter()
    receipts = await closed_loop(node, sent, _IN_FLIGHT)
    seconds = time.perf_counter() - started
    reached = sorted(receipt.position for receipt in receipts)
    check(reached == list(range(before + 1, before + count + 1)), "the receipts' positions are not dense")
    return count / seconds


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], *map(int, sys.argv[2:5])))
