"""Nodes of the bank over a history of one's own, and a look into what they keep in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from tests.faults.bank import bank, examine
from twofold import Command, Receipt
from twofold.history.boundary import EVERYTHING, Selection
from twofold.history.record import Recorded
from twofold.history.store import History
from twofold.model import WriteModel
from twofold.node import Node, Role
from twofold.write.cache import Cache, Entry
from twofold.write.decide import Decider
from twofold.write.group import GroupCommit

WRITE: tuple[Role, ...] = ("write",)


def node_over(
    history: History, *, roles: Collection[Role] = WRITE, views: str = "memory:", max_waiting: int = 10_000
) -> Node:
    """Return a node of the bank, not entered yet, that uses this history instead of opening one."""
    node = bank.open("memory:", views=views, roles=roles, max_waiting=max_waiting)
    node._parts.open_history = lambda: history
    return node


def decider_of(node: Node) -> Decider:
    assert node._parts.sender is not None
    return node._parts.sender.decider


def group_of(node: Node) -> GroupCommit:
    return decider_of(node)._group


def cache_of(node: Node) -> Cache:
    return decider_of(node)._cache


def entries_of(node: Node) -> list[Entry]:
    return list(cache_of(node).entries)


async def quiet(node: Node) -> None:
    """Return when no decision waits for its append."""
    group = group_of(node)
    async with asyncio.timeout(30):
        while any(True for _ in group.pending()):
            await group.settled.wait(0.05)


async def everything_in(history: History, selection: Selection = EVERYTHING) -> list[Recorded]:
    return [recorded async for batch in history.read(selection) for recorded in batch]


async def check_cache(node: Node, history: History) -> int:
    """Check that each model that the node keeps equals a fold from position 0; return how many were compared."""
    records = await everything_in(history)
    while group_of(node).position > len(records) and await history.head() > len(records):
        # The node has taken in meanwhile what another one has appended.
        records = await everything_in(history)
    entries = entries_of(node)
    position = group_of(node).position
    assert not any(True for _ in group_of(node).pending()), "the node is not quiet"
    for entry in entries:
        until = entry.position if entry.behind else position
        wanted = folded(entry, [recorded for recorded in records if recorded.position <= until])
        assert entry.model == wanted, f"{entry.boundary} at {until}: kept {entry.model}, folded {wanted}"
    return len(entries)


def folded(entry: Entry, records: list[Recorded]) -> WriteModel:
    fresh = Entry(entry.boundary)
    for recorded in records:
        if entry.criterion.takes(recorded.type, recorded.tags):
            fresh.fold(bank.codec.decode(recorded), recorded.metadata)
    return fresh.model


async def check_history(history: History, rejections: Collection[tuple[str, int]] = ()) -> int:
    """Check that the stored events follow from one another; return how many there are."""
    return examine(await everything_in(history), rejections)


async def several(node: Node, *commands: Command) -> list[asyncio.Future[Receipt]]:
    """Send commands so that all of them are decided, or wait, before this returns."""
    tasks: list[asyncio.Future[Receipt]] = [asyncio.ensure_future(node.send(command)) for command in commands]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks
