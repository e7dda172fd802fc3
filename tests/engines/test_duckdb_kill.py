"""kill -9 under load: rows and checkpoint in DuckDB are lost together or kept together, and projected again (R1)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.read.stocks import GetBoth, Takings, app
from twofold import Node

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
ENDLESS = """
import asyncio, sys
from tests.read.stocks import Sell, app


async def main() -> None:
    async with app.open(sys.argv[1], views={"analytics": sys.argv[2]}) as node:
        for round in range(100_000):
            await asyncio.gather(*(node.send(Sell(f"item {n}", 1)) for n in range(10)))
            await node.caught_up()
            print(round, flush=True)


asyncio.run(main())
"""


def killed(url: str, views: str, rounds: int) -> None:
    """Run the load in a process, and kill it in its so-manyth round."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    command = [sys.executable, "-c", ENDLESS, url, views]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        for _ in range(rounds):
            assert process.stdout.readline()
        process.kill()


async def check(node: Node) -> None:
    """Compare with another fold of the history, and with the read model in the other store."""
    await node.caught_up()
    compared = await node.verify(Takings)
    assert (compared.rows, list(compared.differences)) == (10, [])
    for n in range(10):
        sold, times = await node.ask(GetBoth(f"item {n}"))
        assert sold == times > 0


async def test_after_a_kill_the_rows_are_those_of_a_rebuild(tmp_path: Path) -> None:
    chance = random.Random(7)
    url, views = f"sqlite:///{tmp_path}/history", f"duckdb:///{tmp_path}/analytics"
    for _ in range(3):
        killed(url, views, rounds=chance.randrange(3, 20))
        async with app.open(url, views={"analytics": views}) as node:
            await check(node)
    async with app.open(url, views={"analytics": views}) as node:
        await node.rebuild(Takings)
        await check(node)
