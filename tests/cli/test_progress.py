"""The progress bar: on a terminal, for work that takes a moment, and beside the result."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from tests.cli.conftest import DEADLINE, command_line, order_id
from tests.cli.orders import PlaceOrder, app

EVENTS = 4500
# However slowly a busy machine sleeps.
ASK = ("ask", "slow", "CountSeen", "--timeout", "600")
SLOW = """
import time
from tests.cli.orders import OrderPlaced
from twofold import App, Query, ReadModel, View

class Slow(ReadModel, key="customer"):
    customer: str
    seen: int = 0

    def evolve(self, event: OrderPlaced) -> None:
        time.sleep(0.0004)
        self.seen += 1

class CountSeen(Query[int]):
    pass

app = App("slow")

@app.query
async def count_seen(query: CountSeen, rows: View[Slow]) -> int:
    return sum(row.seen for row in await rows.find())
"""


@pytest.fixture
def slow(folder: Path) -> None:
    (folder / "slow.py").write_text(SLOW)

    async def send() -> None:
        async with app.open("sqlite:///data", roles=["write"]) as node:
            await asyncio.gather(*(node.send(PlaceOrder(UUID(order_id(n)), f"c{n % 7}")) for n in range(EVENTS)))

    asyncio.run(send())


@pytest.mark.usefixtures("slow")
def test_building_a_read_model_shows_a_bar_on_the_terminal_and_the_answer_alone_in_the_pipe() -> None:
    status, out, shown = run_with_terminal(command_line(*ASK))
    assert (status, out) == (0, f"{EVENTS}\n")
    assert re.search(rf"projecting.*\d+/{EVENTS}", shown)


@pytest.mark.usefixtures("slow")
def test_work_that_is_done_at_once_shows_no_bar() -> None:
    # A slow machine may take longer than a person waits.
    patient = "from twofold.cli import main, progress; progress._PATIENCE = 60; main(['events', '--limit', '1'])"
    status, out, shown = run_with_terminal([sys.executable, "-c", patient])
    assert (status, out.count("\n"), shown) == (0, 1, "")


@pytest.mark.usefixtures("slow")
def test_without_a_terminal_there_is_no_bar() -> None:
    ended = subprocess.run(command_line(*ASK), capture_output=True, timeout=DEADLINE, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def run_with_terminal(words: list[str]) -> tuple[int, str, str]:
    """Run a command line whose standard error is a terminal; return its status, its output and what is shown."""
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=terminal, env={**os.environ, "TERM": "xterm"})
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(controller, 65536):
                shown += part
        except OSError:
            # Linux tells so that the other end is closed.
            pass
        out, _ = process.communicate(timeout=DEADLINE)
        return process.returncode, out.decode(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    finally:
        os.close(controller)
