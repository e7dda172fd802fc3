"""Imports events through a full node in a process of its own and prints how much memory it has: see bench.memory."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from uuid import UUID

import apsw
import msgspec
import psutil

from bench.application import ProfilePage, app
from bench.child import say
from bench.result import check
from bench.workload import Sent, registrations, updates, users
from twofold import Node

_STEPS = 20


class Reading(msgspec.Struct, frozen=True):
    """Bytes when so many events were in and projected; `sqlite` is the part that SQLite holds, within its bounds."""

    events: int
    resident: int
    sqlite: int


async def run(folder: Path, events: int, keys: int) -> None:
    """Import, project, and tell the memory after every twentieth."""
    ids = users(keys)
    sent = chain(registrations(ids), updates(ids, events - keys))
    async with app.open(f"sqlite:///{folder}") as node:
        say(_reading(0))
        for step in range(1, _STEPS + 1):
            until = events * step // _STEPS
            await _send(node, islice(sent, until - events * (step - 1) // _STEPS))
            head = await node.caught_up(timeout=600)
            check(head == until, f"{until} commands were accepted, the history ends at {head}")
            say(_reading(head))
        await _check_rows(node, ids, events)


async def _send(node: Node, sent: Iterable[Sent]) -> None:
    # Unlike bench.workload.closed_loop this keeps no receipts: the harness itself must not grow.
    waiting: Iterator[Sent] = iter(sent)

    async def sender() -> None:
        for command, command_id in waiting:
            await node.send(command, command_id=command_id)

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(sender())


async def _check_rows(node: Node, ids: list[UUID], events: int) -> None:
    found = changes = 0
    cursor: str | None = None
    while found == 0 or cursor is not None:
        page = await node.ask(ProfilePage(1_000, cursor))
        found += len(page)
        changes += sum(profile.updates for profile in page)
        cursor = page.next
    check(found == len(ids), f"{len(ids)} users were registered, {found} have a profile")
    check(found + changes == events, f"{events} events were projected, the profiles show {found + changes}")


def _reading(events: int) -> Reading:
    gc.collect()
    return Reading(events, psutil.Process(os.getpid()).memory_info().rss, apsw.memory_used())


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
