"""kill -9 between rows and events: what lies in the file afterwards has both, or neither (H2, H3)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest
from examples.stock.app import Received, app

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
ENDLESS = """
import asyncio, sys
from examples.stock.app import Receive, app

async def main():
    async with app.open(f"sqlite:///{sys.argv[1]}", roles=["write"]) as node:
        async def send(number):
            while True:
                receipt = await node.send(Receive(f"item-{number % 3}", 1))
                print(receipt.position, flush=True)
        await asyncio.gather(*map(send, range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 40, 400])
async def test_rows_and_events_tell_the_same_after_a_kill(after: int, tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    counted: dict[str, int] = {}
    async with app.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        events = [app.codec.decode(recorded) async for recorded in node.events()]
    for event in events:
        assert isinstance(event, Received)
        counted[event.item] = counted.get(event.item, 0) + event.number
    assert len(events) >= max(told), "an acknowledged command is lost"
    connection = apsw.Connection(str(tmp_path / "history.db"))
    rows: list[Any] = connection.execute("select item, free from stock").fetchall()
    assert dict(rows) == counted
    connection.close()
