"""One of the processes that write to one history: see bench.processes."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from examples.profiles.app import UpdateProfile, app

from bench.child import say
from bench.commands import WRITE
from bench.workload import closed_loop, updates
from twofold.clock import new_uuid


async def run(url: str, users: list[UUID], count: int, in_flight: int) -> None:
    """Open a writing node, send one command to each user to warm it up, wait for the word, send, tell the positions."""
    warm_up = [(UpdateProfile(user, "Warm"), new_uuid()) for user in users]
    sent = list(updates(users, count))
    async with app.open(url, roles=WRITE) as node:
        first = await closed_loop(node, warm_up, in_flight)
        say("ready")
        sys.stdin.readline()
        receipts = await closed_loop(node, sent, in_flight)
        say([receipt.position for receipt in receipts])
        say([receipt.position for receipt in first])


if __name__ == "__main__":
    given = sys.stdin.readline().split()
    asyncio.run(run(sys.argv[1], [UUID(each) for each in given], int(sys.argv[2]), int(sys.argv[3])))
