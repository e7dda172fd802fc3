"""One of the processes that decide on one boundary at once: see bench.storm."""

from __future__ import annotations

import asyncio
import sys
import time
from uuid import UUID

from examples.profiles.app import UpdateProfile, app

from bench.child import say
from bench.commands import WRITE
from bench.workload import BIO
from twofold.clock import new_uuid


async def run(url: str, user: UUID, seconds: float, in_flight: int) -> None:
    """Open a writing node, wait for the word, send for so long, tell the positions that were reached."""
    positions: list[int] = []
    async with app.open(url, roles=WRITE) as node:
        say("ready")
        sys.stdin.readline()
        end = time.perf_counter() + seconds

        async def sender() -> None:
            while time.perf_counter() < end:
                command = UpdateProfile(user, "Stormy", BIO.format(len(positions)))
                positions.append((await node.send(command, command_id=new_uuid())).position)

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(sender())
        say(positions)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], UUID(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
