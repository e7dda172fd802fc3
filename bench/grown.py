"""Histories of growing length: there are more users the longer it is, about ten events of each.

`python -m bench.grown URL LENGTH …` fills them one after another and says so at the end.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import chain
from uuid import UUID

from examples.profiles.app import app

from bench.child import say
from bench.commands import WRITE
from bench.filled import append_all
from bench.workload import registrations, updates

_EVENTS_OF_A_USER = 10
_FEWEST = 1_000
_FIRST = 0x0190_0000_0000  # milliseconds of a UUIDv7, so that ids are in order as real ones are


def users_at(length: int) -> list[UUID]:
    """Return the users of a history of this length, the same ones in every process."""
    count = min(length, max(_FEWEST, length // _EVENTS_OF_A_USER))
    mixed = 0x9E37_79B9_7F4A_7C15
    return [
        UUID(int=(_FIRST + number) << 80 | 7 << 76 | 2 << 62 | (number * mixed) & ((1 << 62) - 1))
        for number in range(count)
    ]


def chosen(ids: Sequence[UUID], count: int, *, skip: int = 0) -> list[UUID]:
    """Return so many users that are spread evenly over all of them."""
    step = max(1, len(ids) // count)
    return list(ids[skip % step :: step][:count])


def fill(url: str, length: int) -> None:
    """Append a history of this length."""

    async def run() -> None:
        ids = users_at(length)
        async with app.open(url, roles=WRITE) as node:
            await append_all(node.history, chain(registrations(ids), updates(ids, length - len(ids))))

    asyncio.run(run())


if __name__ == "__main__":
    for url, length in zip(sys.argv[1::2], map(int, sys.argv[2::2]), strict=True):
        fill(url, length)
    say("filled")
