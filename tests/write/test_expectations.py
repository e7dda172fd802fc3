"""`send(command, expected=position)`: whoever decided on an old page is told so, and overwrites nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.bank import Announce, Deposit, GetStatement, Inspect, Ponder, Withdraw, bank
from tests.faults.nodes import check_cache, check_history, everything_in, node_over, quiet, several
from tests.faults.rough_history import Fault, GatedHistory, RoughHistory
from tests.faults.virtual import run_virtually
from twofold import Answer, Command, Receipt, Rejected
from twofold.engines.memory import MemoryHistory
from twofold.errors import ChangedSince, HandlerFailed, InvalidMessage, StoreError
from twofold.node import Node
from twofold.write.group import GroupCommit

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Node:
    return bank.open("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}")


async def test_a_command_is_accepted_where_nothing_has_changed(node: Node) -> None:
    async with node:
        assert (await node.send(Deposit("a"), expected=0)).position == 1
        assert (await node.send(Deposit("a"), expected=1)).position == 2
        await node.send(Deposit("b"))
        receipt = await node.send(Deposit("a"), expected=2)
        assert (await node.send(Deposit("a"), expected=receipt)).position == 5


async def test_a_command_is_refused_where_something_has_changed_and_nothing_is_stored(node: Node) -> None:
    async with node:
        for account in "aba":
            await node.send(Deposit(account))
        command_id = uuid4()
        with pytest.raises(ChangedSince) as caught:
            await node.send(Deposit("a"), expected=0, command_id=command_id)
        assert caught.value.facts == {"command": "Deposit", "expected": 0, "position": 1}
        with pytest.raises(ChangedSince) as caught:
            await node.send(Deposit("a"), expected=2)
        assert caught.value.position == 3
        assert await node.history.head() == 3
        assert await node.history.find(("", "", command_id)) is None
        assert (await node.send(Deposit("a"), expected=3, command_id=command_id)).position == 4


async def test_events_outside_the_boundary_change_nothing(node: Node) -> None:
    async with node:
        await node.send(Deposit("a"))
        await node.send(Inspect("a"))
        await node.send(Deposit("b"))
        # An account is not folded from inspections.
        assert (await node.send(Deposit("a"), expected=1)).position == 4
        with pytest.raises(ChangedSince):
            await node.send(Inspect("a"), expected=2)


async def test_a_change_is_told_before_the_handlers_own_rejection(node: Node) -> None:
    async with node:
        await node.send(Deposit("a"))
        with pytest.raises(Rejected):
            await node.send(Withdraw("a", 9), expected=1)
        with pytest.raises(ChangedSince):
            await node.send(Withdraw("a", 9), expected=0)


async def test_a_position_that_the_history_has_never_reached_is_refused(node: Node) -> None:
    async with node:
        await node.send(Deposit("a"))
        with pytest.raises(ChangedSince, match=r"position 2, which Deposit expects, is beyond the history's head 1"):
            await node.send(Deposit("a"), expected=2)


async def test_a_command_that_rests_on_nothing_cannot_be_expected_of(node: Node) -> None:
    async with node:
        with pytest.raises(InvalidMessage, match="no write model"):
            await node.send(Announce("a"), expected=0)
        assert await node.history.head() == 0


async def test_an_answer_tells_the_position_to_expect(node: Node) -> None:
    async with node:
        first = await node.send(Deposit("a", 5))
        page = await node.answer(GetStatement("a"), after=first)
        assert isinstance(page, Answer)
        assert page.value is not None
        assert page.value.balance == 5
        assert page.position == 1
        await node.send(Withdraw("a", 1), expected=page.position)
        with pytest.raises(ChangedSince):
            await node.send(Withdraw("a", 1), expected=page.position)


async def test_a_reader_that_does_not_project_tells_the_position_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url) as writer, bank.open(url, roles=["read"]) as reader:
        for position in range(1, 4):
            await writer.send(Deposit("a"))
            await writer.caught_up()
            assert (await reader.answer(GetStatement("a"))).position == position


async def test_a_repeat_of_an_accepted_command_gets_its_first_receipt(tmp_path: Path) -> None:
    url, command_id = f"sqlite:///{tmp_path}", uuid4()
    async with bank.open(url) as node:
        await node.send(Deposit("a"))
        receipts = await asyncio.gather(
            *(node.send(Deposit("a", 2), expected=1, command_id=command_id) for _ in range(5))
        )
        assert {receipt.position for receipt in receipts} == {2}
        await node.send(Deposit("a"))
    async with bank.open(url) as node:
        again = await node.send(Deposit("a", 2), expected=1, command_id=command_id)
        assert again == Receipt(command_id, 2, repeated=True)
        assert await node.history.head() == 3


async def test_what_waits_is_waited_for_and_counts_once_it_is_durable() -> None:
    history = GatedHistory(MemoryHistory())
    async with node_over(history) as node:
        await node.send(Deposit("a"))
        with history.shut():
            first = await several(node, Deposit("a"))
            second = asyncio.ensure_future(node.send(Deposit("a"), expected=1))
            unrelated = asyncio.ensure_future(node.send(Deposit("b"), expected=1))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not second.done()
        answers = await asyncio.gather(*first, second, unrelated, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Receipt, ChangedSince, Receipt]
    assert isinstance(answers[1], ChangedSince)
    assert answers[1].position == 2


@pytest.mark.parametrize("fault", ["failed", "odd"])
async def test_what_waits_and_comes_to_nothing_changes_nothing(fault: Fault) -> None:
    history = GatedHistory(MemoryHistory(), ["none", fault])
    async with node_over(history) as node:
        await node.send(Deposit("a"))
        with history.shut():
            first = await several(node, Deposit("a"))
            second = asyncio.ensure_future(node.send(Deposit("a"), expected=1))
            for _ in range(20):
                await asyncio.sleep(0)
        answers = await asyncio.gather(*first, second, return_exceptions=True)
        assert isinstance(answers[0], Exception)
        assert isinstance(answers[1], Receipt)
        assert answers[1].position == 2
        await check_cache(node, history)
    await check_history(history)


@pytest.mark.parametrize("command", [Deposit("a"), Ponder("a", 4), Withdraw("a", 99)])
async def test_another_process_that_is_first_in_the_append_is_noticed(command: Command) -> None:
    history = MemoryHistory()
    async with node_over(history) as other:
        rough = RoughHistory(history, ["none", "raced"])
        async with node_over(rough) as node:
            await node.send(Deposit("a"))
            rough.rival = lambda: _deposit(other, "a")
            with pytest.raises(ChangedSince) as caught:
                await node.send(command, expected=1)
            assert caught.value.position == 2
            assert await history.head() == 2
            await check_cache(node, history)


async def test_another_process_that_wrote_beside_the_boundary_is_not_noticed() -> None:
    history = MemoryHistory()
    async with node_over(history) as other:
        rough = RoughHistory(history, ["none", "raced"])
        async with node_over(rough) as node:
            await node.send(Deposit("a"))
            rough.rival = lambda: _deposit(other, "b")
            assert (await node.send(Deposit("a"), expected=1)).position == 3


async def _deposit(node: Node, account: str) -> None:
    await node.send(Deposit(account))


async def test_of_many_who_saw_the_same_page_exactly_one_is_accepted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as one, bank.open(url, roles=["write"]) as other:
        position = 0
        for _ in range(10):
            answers = await asyncio.gather(
                *(node.send(Deposit("a"), expected=position) for node in (one, other) for _ in range(10)),
                return_exceptions=True,
            )
            accepted = [answer for answer in answers if isinstance(answer, Receipt)]
            assert len(accepted) == 1, answers
            assert {type(answer) for answer in answers} == {Receipt, ChangedSince}
            position = accepted[0].position
        assert await check_history(one.history) == 10


class _PageOverwritten(AssertionError):
    pass


def live_through(seed: int) -> Counter[str]:
    """Let many senders on two nodes expect positions that they have seen, amid faults; check what came of it."""

    async def main() -> Counter[str]:
        history = MemoryHistory()
        random = Random(seed)
        faults: list[Fault] = ["none", "delayed", "failed", "stored_failed", "stored_unknown", "odd"]
        told: Counter[str] = Counter()
        kept: list[tuple[Receipt, int]] = []

        async def sender(node: Node, own: Random) -> None:
            for _ in range(6):
                seen = await history.head() - own.randrange(3)
                for _ in range(own.randrange(6)):
                    await asyncio.sleep(0)
                command = own.choice([Deposit("a"), Deposit("b"), Ponder("a", own.randrange(4))])
                expected = max(0, seen) if own.random() < 0.8 else None
                try:
                    receipt = await node.send(command, expected=expected)
                except (ChangedSince, StoreError, HandlerFailed, RuntimeError) as error:
                    told[type(error).__name__] += 1
                else:
                    told["Receipt"] += 1
                    if expected is not None:
                        kept.append((receipt, expected))

        plans: list[list[Fault]] = [[random.choice(faults) for _ in range(random.randrange(5))] for _ in range(2)]
        rough = [RoughHistory(history, plan, turns=2, seed=seed) for plan in plans]
        async with node_over(rough[0]) as one, node_over(rough[1]) as other:
            await asyncio.gather(*(sender((one, other)[n % 2], Random(seed * 10 + n)) for n in range(6)))
            for node in (one, other):
                await quiet(node)
                await check_cache(node, history)
        await check_history(history)
        records = await everything_in(history)
        for receipt, expected in kept:
            tags = records[receipt.position - 1].tags
            between = [r for r in records[expected : receipt.position - 1] if r.tags == tags]
            if between:
                raise _PageOverwritten(f"expected {expected}, stored at {receipt.position}, overlooked {between}")
        return told

    return run_virtually(main())


def test_nobody_overwrites_what_he_has_not_seen() -> None:
    told: Counter[str] = sum((live_through(seed) for seed in range(150)), Counter())
    assert told["Receipt"] > 300
    assert told["ChangedSince"] > 300
    assert told["StoreFailed"] > 20


PLANTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "the append does not check what is expected": ("_position_for", lambda group, pending: group.position),
    "what waits is not waited for": ("is_pending_on", lambda group, selection: False),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, bug = PLANTS[plant]
    monkeypatch.setattr(GroupCommit, name, bug)
    for seed in range(1000):
        try:
            live_through(seed)
        except _PageOverwritten:
            return
    pytest.fail("1,000 stories did not find it")
