"""`python -m examples.stock`: receives, reserves and ships, and shows the levels and the rows behind them."""

from __future__ import annotations

import asyncio
import tempfile

from examples.stock.app import GetLevels, Receive, Reserve, Ship, app
from twofold import Rejected


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with app.open(f"sqlite:///{folder}") as node:
            await node.send(Receive("tea", 10))
            await node.send(Receive("cups", 2))
            await node.send(Reserve("o-1", {"tea": 4, "cups": 2}))
            try:
                await node.send(Reserve("o-2", {"tea": 6, "cups": 1}))
            except Rejected as rejected:
                print(f"rejected: {rejected}")
            receipt = await node.send(Ship("o-1"))
            for level in await node.ask(GetLevels(), after=receipt):
                print(f"{level.item}: {level.held}, of which {level.reserved} reserved")


asyncio.run(main())
