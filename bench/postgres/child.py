"""One of the nodes of bench.postgres.projection: it projects, or it answers queries of its parent."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from examples.profiles.app import GetProfile, app

from bench.child import say


async def project(url: str) -> None:
    """Project until standard input ends."""
    async with app.open(url, roles=("project",)):
        say("ready")
        await asyncio.to_thread(sys.stdin.read)


async def read(url: str) -> None:
    """For each line `USER POSITION`, say the user's name as it is at that position or later."""
    async with app.open(url, roles=("read",)) as node:
        say("ready")
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            user, position = line.split()
            profile = await node.ask(GetProfile(UUID(user)), after=int(position), timeout=30)
            say(profile and profile.name)


if __name__ == "__main__":
    asyncio.run({"project": project, "read": read}[sys.argv[2]](sys.argv[1]))
