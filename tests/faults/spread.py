"""An application whose read models are spread over segments, and what its rows must be by a count of one's own."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Annotated, Any

import msgspec

from tests.faults.places import Place
from twofold import App, Command, Event, Metadata, Query, ReadModel, Tag, View
from twofold.node import Node, Role

BoxId = Annotated[str, Tag("box")]
SHORT = 1.0
SEGMENTS = 5
"""Of both read models together."""


class Fill(Command):
    box: BoxId


class Filled(Event):
    box: BoxId


class Box(ReadModel, key="box", segments=4):
    box: BoxId
    fillings: int = 0
    positions: list[int] = []

    def evolve(self, event: Filled, meta: Metadata) -> None:
        self.fillings += 1
        self.positions.append(meta.position)


class Shelf(ReadModel, key="box"):
    """In one piece."""

    box: BoxId
    fillings: int = 0

    def evolve(self, event: Filled) -> None:
        self.fillings += 1


class Count(Query[tuple[int, int]]):
    box: BoxId


spread = App("spread")


@spread.command
def fill(command: Fill) -> Filled:
    return Filled(command.box)


@spread.query
async def count(query: Count, boxes: View[Box], shelf: View[Shelf]) -> tuple[int, int]:
    box, same = await boxes.get(query.box), await shelf.get(query.box)
    return box.fillings if box else 0, same.fillings if same else 0


def spread_node(url: str, *roles: Role) -> Node:
    """Return a node with a short lease, not entered yet."""
    node = spread.open(url, roles=roles)
    node._parts.lease = SHORT
    return node


async def holders(node: Node) -> list[str | None]:
    """Return who holds each segment, as a node sees it."""
    assert node._parts.views is not None
    return [each.holder for table in spread.tables.values() for each in await node._parts.views.segments(table)]


async def shared_among(node: Node, count: int) -> list[str | None]:
    """Return who holds what, as soon as so many nodes have their share of it."""
    async with asyncio.timeout(60):
        while True:
            found = await holders(node)
            shares = [found.count(each) for each in set(found)]
            if None not in found and len(shares) == count and max(shares) - min(shares) <= 1:
                return found
            await asyncio.sleep(0.02)


def check_rows(place: Place) -> int:
    """Check the rows of both read models against a count of the events; return how many there are."""
    counted: defaultdict[str, list[int]] = defaultdict(list)
    events = place.stored().records
    for event in events:
        counted[msgspec.json.decode(event.payload)["box"]].append(event.position)
    found = [(name, fillings, _numbers(positions)) for name, fillings, positions in place.rows("box")]
    wanted = [(name, len(at), at) for name, at in sorted(counted.items())]
    assert found == wanted, f"other rows: {[each for each in found if each not in wanted]}"
    assert place.rows("shelf") == [(name, len(at)) for name, at in sorted(counted.items())], "other rows in one piece"
    return len(events)


def _numbers(text: Any) -> list[int]:
    return [int(each) for each in str(text).strip("[]").split(",")]
