"""A node that projects a read model of some segments: see bench.segments.

python -m bench.segments_child URL SEGMENTS
"""

from __future__ import annotations

import asyncio
import sys

from bench.child import say
from bench.variants import profiles_with


async def run(url: str, segments: int) -> None:
    """Wait for the word, then project until standard input ends."""
    app = profiles_with(segments=segments)
    say("ready")
    sys.stdin.readline()
    async with app.open(url, roles=("project",)):
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
