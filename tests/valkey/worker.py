"""A process of its own: it sends commands, and projects them to a server, until it is killed."""

from __future__ import annotations

import asyncio
import sys

from tests.read.stocks import Sell, app


async def run(url: str, views: str) -> None:
    async with app.open(url, views={"": views, "analytics": views}) as node:
        for number in range(100_000):
            receipt = await node.send(Sell(f"item {number % 50}"))
            print(receipt.position, flush=True)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
