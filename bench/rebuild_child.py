"""A node whose read model has another definition than the one that is live: see bench.rebuild.

python -m bench.rebuild_child URL VERSION EVENTS
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time

from bench.child import say
from bench.result import check
from bench.variants import profiles_with

_KIBIBYTES = 2**10


async def run(url: str, version: int, events: int) -> None:
    """Wait for the word, open, be live, say how long it took and how much memory it needed."""
    app = profiles_with(version=version)
    say("ready")
    sys.stdin.readline()
    started = time.perf_counter()
    async with app.open(url, roles=("read", "project")) as node:
        await node.caught_up(timeout=1_800)
        seconds = time.perf_counter() - started
        (status,) = await node.models()
        check(status.live and status.checkpoint == events, f"the new version is not live and complete: {status}")
    say("done")
    say({"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIBIBYTES})


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
