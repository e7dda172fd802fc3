"""Closing a node: what waits becomes durable, who comes too late is told so, nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.bank import Deposit, Inspect, Ponder, bank
from tests.faults.nodes import check_history, node_over, several
from tests.faults.rough_history import GatedHistory, RoughHistory
from tests.faults.virtual import run_virtually
from twofold import Receipt
from twofold.engines.memory import MemoryHistory
from twofold.errors import NodeClosed, StoreFailed

pytestmark = pytest.mark.anyio


async def test_close_makes_durable_what_waits_and_answers_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    node = bank.open(url, roles=["write"])
    async with node:
        sent = await several(node, *(Deposit("abc"[n % 3]) for n in range(300)))
    answers = await asyncio.gather(*sent)
    async with bank.open(url, roles=["write"]) as again:
        assert await check_history(again.history) == 300
        for answer in answers:
            assert await again.history.find(("", "", answer.command_id)) == answer.position


def test_at_whatever_moment_a_node_is_closed_every_sender_is_answered_and_told_the_truth() -> None:
    async def main(turns: int) -> Counter[str]:
        history = MemoryHistory()
        rough = RoughHistory(history, ["raced", "none", "raced"], turns=3, seed=turns)
        other = node_over(RoughHistory(history))
        async with other:
            rough.rival = lambda: _deposit(other)
            node = node_over(rough)
            await node.__aenter__()
            commands = [Deposit("a"), Ponder("a", 5), Inspect("a"), Deposit("b"), Ponder("b"), Inspect("a")]
            tasks = [asyncio.ensure_future(node.send(command)) for command in commands]
            for _ in range(turns):
                await asyncio.sleep(0)
            await node.close()
            # A virtual loop raises where anyone would wait for ever.
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        accepted = [answer for answer in answers if isinstance(answer, Receipt)]
        for receipt in accepted:
            assert await history.find(("", "", receipt.command_id)) == receipt.position
        others = [answer for answer in answers if not isinstance(answer, Receipt)]
        assert all(isinstance(answer, NodeClosed) for answer in others), others
        await check_history(history)
        return Counter(type(answer).__name__ for answer in answers)

    total: Counter[str] = Counter()
    for turns in range(60):
        total += run_virtually(main(turns))
    assert total["Receipt"] > 50
    assert total["NodeClosed"] > 50


async def _deposit(node) -> None:  # type: ignore[no-untyped-def]
    await node.send(Deposit("a"))


async def test_a_closed_node_takes_nothing(tmp_path: Path) -> None:
    node = bank.open(f"sqlite:///{tmp_path}", roles=["write"])
    with pytest.raises(NodeClosed):
        await node.send(Deposit("a"))
    async with node:
        await node.send(Deposit("a"))
    with pytest.raises(NodeClosed):
        await node.send(Deposit("a"))
    await node.close()


async def test_a_close_that_meets_a_failing_disk_ends_and_tells_the_senders() -> None:
    history = GatedHistory(MemoryHistory(), ["failed", "failed"])
    node = node_over(history)
    async with node:
        with history.shut():
            first = await several(node, Deposit("a"))
            second = await several(node, Deposit("a"))
            closing = asyncio.ensure_future(node.close())
            await asyncio.sleep(0)
        await closing
    answers = await asyncio.gather(*first, *second, return_exceptions=True)
    # The second was decided on the first's event: it would have to be decided again, and the node is closed.
    assert [type(answer) for answer in answers] == [StoreFailed, NodeClosed]
    assert await history.head() == 0
