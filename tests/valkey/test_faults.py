"""Servers and processes that are killed under load: the read models equal what the history makes of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.read.stocks import GetBoth, Sell, app
from twofold.node import Node
from twofold.read.view import View
from twofold.testing import ValkeyServer, valkey

pytestmark = pytest.mark.anyio
PATIENCE = 60


def views(url: str) -> dict[str, str]:
    return {"": url, "analytics": url}


async def rows_of(node: Node) -> list[list[Any]]:
    assert node._parts.views is not None
    await node.caught_up(timeout=PATIENCE)
    return [list(await View(node._parts.views, table).find()) for table in app.tables.values()]


async def check(node: Node, url: str) -> None:
    """Compare with what is made in memory, from the same history."""
    async with app.open(url, views=views("memory:")) as other:
        assert await rows_of(node) == await rows_of(other)
    assert [status.parked for status in await node.models()] == [0, 0]


@contextmanager
def worker(url: str, place: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.valkey.worker", url, place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(process: subprocess.Popen[str], position: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= position:
            return
    raise AssertionError("the worker has ended")


async def test_a_server_that_is_killed_under_load_and_started_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    with valkey({"appendfsync": "always"}) as server:
        async with app.open(url, views=views(server.place())) as node:

            async def send() -> None:
                while not done.is_set():
                    await asyncio.gather(*(node.send(Sell(f"item {n}")) for n in range(20)))

            done = asyncio.Event()
            sending = asyncio.create_task(send())
            for _ in range(3):
                await node.caught_up(timeout=PATIENCE)
                server.kill()
                await asyncio.to_thread(server.start)
            done.set()
            await sending
            await check(node, url)


@pytest.mark.parametrize("settings", [{"appendonly": "no"}, {"appendfsync": "no"}], ids=["empty", "as far as it got"])
async def test_what_a_server_lost_is_projected_again(tmp_path: Path, settings: dict[str, str]) -> None:
    url = f"sqlite:///{tmp_path}"
    with valkey(settings) as server:
        async with app.open(url, views=views(server.place())) as node:
            for n in range(30):
                await node.send(Sell(f"item {n % 7}"))
            await node.caught_up()
            server.kill()
            server.start()
            # It also goes on where nothing happens that would be projected.
            receipt = await node.send(Sell("item 1"))
            assert await node.ask(GetBoth("item 1"), after=receipt, timeout=PATIENCE) == [6, 6]
            await check(node, url)


async def test_a_process_that_is_killed_is_taken_over_by_another(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    url, place = f"sqlite:///{tmp_path}", valkey_server.place()
    for reached in (100, 300):
        with worker(url, place) as process:
            wait_until(process, reached)
    async with app.open(url, views=views(place)) as node:
        await check(node, url)


async def test_nodes_share_the_work_and_one_takes_it_over_that_is_left(
    tmp_path: Path, valkey_server: ValkeyServer
) -> None:
    url, place = f"sqlite:///{tmp_path}", valkey_server.place()
    async with app.open(url, views=views(place)) as one:
        async with app.open(url, views=views(place)) as other:
            async with asyncio.timeout(PATIENCE):
                while {status.holder for status in await one.models()} != {one.name, other.name}:
                    await asyncio.sleep(0.02)
            receipts = [await (one, other)[n % 2].send(Sell(f"item {n % 3}")) for n in range(20)]
            receipt = receipts[-1]
            assert await one.ask(GetBoth("item 1"), after=receipt, timeout=PATIENCE) == [7, 7]
            assert await other.ask(GetBoth("item 1"), after=receipt, timeout=PATIENCE) == [7, 7]
        receipt = await one.send(Sell("item 1"))
        assert await one.ask(GetBoth("item 1"), after=receipt, timeout=PATIENCE) == [8, 8]
        await check(one, url)
