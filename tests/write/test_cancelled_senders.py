"""A sender may be cancelled at every await; the command has its effect whole or not at all, and others never notice."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.faults.bank import Deposit, Inspect, Move, Ponder, Survey, bank
from tests.faults.nodes import check_cache, check_history, everything_in, group_of, node_over, quiet
from tests.faults.rough_history import FAULTS, RoughHistory
from tests.faults.virtual import run_virtually
from twofold import Command, Receipt
from twofold.engines.memory import MemoryHistory

COMMANDS: list[Command] = [Deposit("a"), Move("a", "b"), Inspect("a"), Survey("a"), Ponder("a", 3)]


async def cancel_after(task: asyncio.Future[Receipt], turns: int) -> bool:
    """Cancel a sender after so many turns of the event loop; tell whether that was in time."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    return (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_sender_that_is_cancelled_at_any_await_leaves_no_trace_in_the_models(command: Command) -> None:
    async def main(turns: int) -> tuple[bool, bool]:
        history = MemoryHistory()
        command_id = uuid4()
        async with node_over(RoughHistory(history, turns=3, seed=turns)) as node:
            await node.send(Deposit("a", 9))
            task = asyncio.ensure_future(node.send(command, command_id=command_id))
            others = [asyncio.ensure_future(node.send(each)) for each in COMMANDS]
            cancelled = await cancel_after(task, turns)
            await asyncio.gather(*others)
            await quiet(node)
            await check_cache(node, history)
            stored = await history.find(("", "", command_id)) is not None
            again = await node.send(command, command_id=command_id)
            assert again.repeated == stored
            await check_cache(node, history)
        await check_history(history)
        return cancelled, stored

    seen: Counter[tuple[bool, bool]] = Counter(run_virtually(main(turns)) for turns in range(60))
    assert seen[True, False], "no cancellation came before the append"
    assert seen[True, True], "no cancellation came after the decision was made"
    assert seen[False, True], "every cancellation was in time; wait longer"
    assert not seen[False, False]


def test_senders_that_go_away_during_faults_leave_no_trace_in_the_models() -> None:
    async def main(seed: int) -> None:
        history = MemoryHistory()
        plan = [FAULTS[(seed // 8**n) % 8] for n in range(3)]
        rough = RoughHistory(history, plan, turns=2, seed=seed, rival=_nothing)
        async with node_over(rough) as node:
            tasks = [asyncio.ensure_future(node.send(command)) for command in COMMANDS * 2]
            cancelling = [cancel_after(task, (seed + 5 * n) % 23) for n, task in enumerate(tasks)]
            await asyncio.gather(*cancelling)
            await quiet(node)
            await check_cache(node, history)
            rough.plan.clear()
            await node.send(Deposit("a"))
            await check_cache(node, history)
        await check_history(history, rough.rejections)

    for seed in range(0, 512, 3):
        run_virtually(main(seed))


async def _nothing() -> None:
    return None


@pytest.mark.anyio
async def test_a_sender_that_is_cancelled_in_mid_commit_leaves_a_whole_commit(tmp_path: Path) -> None:
    async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        await node.send(Deposit("a", 99))
        ids: list[UUID] = []
        for turns in range(40):
            command_id = uuid4()
            ids.append(command_id)
            await cancel_after(asyncio.ensure_future(node.send(Move("a", "b"), command_id=command_id)), turns % 8)
        await quiet(node)
        await check_cache(node, node.history)
        stored = Counter(recorded.metadata.command_id for recorded in await everything_in(node.history))
        assert {stored[command_id] for command_id in ids} <= {0, 2}
        assert await check_history(node.history) == sum(stored.values())
        assert group_of(node).position == sum(stored.values())
