"""What an append's answers do to the decisions that wait and to the models that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.faults import bank as bank_module
from tests.faults.bank import Account, Deposit, Glance, Inspect, Link, Move, Ponder, Withdraw
from tests.faults.nodes import (
    check_cache,
    check_history,
    entries_of,
    everything_in,
    group_of,
    node_over,
    quiet,
    several,
)
from tests.faults.rough_history import Fault, GatedHistory, RoughHistory
from tests.faults.virtual import run_virtually
from twofold import Command, Receipt, Rejected
from twofold.engines.memory import MemoryHistory
from twofold.errors import Contended, NodeClosed, OutcomeUnknown, Overloaded, StoreFailed
from twofold.history.boundary import EVERYTHING
from twofold.node import Node

pytestmark = pytest.mark.anyio


class Two:
    """Two nodes over one history; the first one's appends wait at a gate."""

    def __init__(self, one: Node, other: Node, gated: GatedHistory, history: MemoryHistory) -> None:
        self.one, self.other, self.gated, self.history = one, other, gated, history

    async def race(self, *commands: Command, against: Command) -> list[Any]:
        """Let the first decide, the second be first, and return the first's answers."""
        with self.gated.shut():
            tasks = await several(self.one, *commands)
            await self.other.send(against)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await quiet(self.one)
        await check_cache(self.one, self.history)
        await check_cache(self.other, self.history)
        await check_history(self.history, self.gated.rejections)
        return answers


@pytest.fixture
async def two() -> Any:
    history = MemoryHistory()
    gated = GatedHistory(history)
    async with node_over(gated) as one, node_over(history) as other:
        yield Two(one, other, gated, history)


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The accounts whose deposits were decided, each time."""
    calls: list[str] = []
    deposit = bank_module.bank.commands[Deposit]
    original = deposit.signature.function

    def counted(command: Deposit, account: Account) -> Any:
        calls.append(command.account)
        return original(command, account)

    monkeypatch.setattr(deposit, "signature", _with_function(deposit.signature, counted))
    return calls


def _with_function(signature: Any, function: Callable[..., Any]) -> Any:
    return msgspec.structs.replace(signature, function=function)


async def test_a_decision_that_another_process_overtook_is_decided_again(two: Two) -> None:
    receipt, _ = await two.race(Deposit("a"), Deposit("a"), against=Deposit("a"))
    assert receipt.position >= 2


async def test_an_account_that_both_wrote_to_is_folded_in_the_order_of_the_history(two: Two) -> None:
    await two.one.send(Deposit("b"))
    await two.other.send(Deposit("b"))
    # The first's announcement rests on nothing, so it stands behind the other's longer named event.
    await two.race(bank_module.Announce("b"), against=Withdraw("b"))
    await two.race(Link("b", "c"), against=Ponder("c"))


async def test_what_rests_on_a_decision_that_did_not_come_is_decided_again(two: Two) -> None:
    await two.one.send(Deposit("a", 5))
    # The move conflicts, because of a; so its deposit on b does not come, which the second batch rests on.
    with two.gated.shut():
        first = await several(two.one, Move("a", "b"))
        second = await several(two.one, Deposit("b"), Link("b", "c"), Deposit("c"))
        await two.other.send(Withdraw("a", 5))
    answers = await asyncio.gather(*first, *second, return_exceptions=True)
    assert isinstance(answers[0], Rejected)
    assert all(isinstance(answer, Receipt) for answer in answers[1:])
    await check_cache(two.one, two.history)
    await check_history(two.history, two.gated.rejections)


async def test_what_waits_behind_a_batch_that_stands_is_decided_again_if_another_process_was_first(two: Two) -> None:
    await two.one.send(Deposit("a"))
    with two.gated.shut():
        first = await several(two.one, Deposit("x"))
        second = await several(two.one, Deposit("a"), Withdraw("a", 2))
        await two.other.send(Withdraw("a"))
    answers = await asyncio.gather(*first, *second, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Receipt, Receipt, Rejected]
    await check_cache(two.one, two.history)
    await check_history(two.history, two.gated.rejections)


async def test_what_has_nothing_to_do_with_the_race_is_decided_once(two: Two, decided: list[str]) -> None:
    async with node_over(two.gated) as counting:
        with two.gated.shut():
            first = await several(counting, *(Deposit(name) for name in "abc"))
            second = await several(counting, *(Deposit(name) for name in "abcdef"))
            await two.other.send(Link("a", "a"))
        await asyncio.gather(*first, *second)
        await check_cache(counting, two.history)
    await check_history(two.history)
    assert {name: decided.count(name) for name in "abcdef"} == {"a": 4, "b": 2, "c": 2, "d": 1, "e": 1, "f": 1}


async def test_more_unseen_events_than_are_worth_reading_make_the_node_forget_all(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twofold.write.group._GAP", 3)
    await two.one.send(Deposit("a"))
    for _ in range(5):
        await two.other.send(Deposit("z"))
    await two.race(Deposit("a"), Deposit("b"), against=Deposit("b"))
    assert {entry.boundary.tags for entry in entries_of(two.one)} == {("account:b",)}
    assert group_of(two.one).position == len(await everything_in(two.history))


async def test_unseen_events_that_cannot_be_read_make_the_node_forget_all() -> None:
    class Unreadable(GatedHistory):
        error: Exception | None = None

        async def read(self, selection, *, after=0, until=None, limit=None):  # type: ignore[no-untyped-def]
            if self.error is not None and selection == EVERYTHING:
                error, self.error = self.error, None
                raise error
            async for batch in super().read(selection, after=after, until=until, limit=limit):
                yield batch

    history = MemoryHistory()
    for error in (StoreFailed(path="rough", problem="unreadable"), OSError("odd")):
        gated = Unreadable(history)
        async with node_over(gated) as one, node_over(history) as other:
            await one.send(Deposit("a"))
            await other.send(Deposit("a"))
            gated.error = error
            await asyncio.gather(one.send(Deposit("b")), one.send(Deposit("b")))
            await quiet(one)
            assert gated.error is None
            await one.send(Deposit("a"))
            await check_cache(one, history)
    await check_history(history)


ERRORS: list[tuple[Fault, type[Exception]]] = [
    ("failed", StoreFailed),
    ("odd", RuntimeError),
    ("cancelled", OutcomeUnknown),
    ("stored_unknown", OutcomeUnknown),
    ("stored_failed", StoreFailed),
]


@pytest.mark.parametrize(("fault", "error"), ERRORS)
async def test_whatever_an_append_raises_is_told_to_its_senders_and_the_node_goes_on(
    fault: Fault, error: type[Exception]
) -> None:
    history = MemoryHistory()
    gated = GatedHistory(history, [fault])
    async with node_over(gated) as node:
        with gated.shut():
            first = await several(node, Deposit("a"), Deposit("a"))
            second = await several(node, Deposit("a"), Deposit("b"))
        answers = await asyncio.gather(*first, *second, return_exceptions=True)
        assert [type(answer) for answer in answers] == [error, error, Receipt, Receipt]
        await check_cache(node, history)
    stored = 2 if fault in ("cancelled", "stored_unknown", "stored_failed") else 0
    assert await check_history(history) == stored + 2


async def test_each_sender_of_a_failed_append_gets_an_error_of_its_own() -> None:
    gated = GatedHistory(MemoryHistory(), ["failed"])
    async with node_over(gated) as node:
        with gated.shut():
            tasks = await several(node, Deposit("a"), Deposit("b"))
        one, other = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(one, StoreFailed)
        assert isinstance(other, StoreFailed)
        assert one is not other
        assert one.problem == other.problem
        assert one.command_id != other.command_id


async def test_senders_are_told_if_the_commit_loop_itself_is_cancelled() -> None:
    history = GatedHistory(MemoryHistory())
    node = node_over(history)
    async with node:
        with history.shut():
            first = await several(node, Deposit("a"))
            second = await several(node, Deposit("a"))
            task = group_of(node)._task
            assert task is not None
            task.cancel()
            one, other = await asyncio.gather(*first, *second, return_exceptions=True)
            assert isinstance(one, OutcomeUnknown)
            assert isinstance(other, NodeClosed)
            with pytest.raises(NodeClosed):
                await node.send(Deposit("b"))


async def test_a_full_queue_refuses_and_stores_nothing_of_what_it_refused() -> None:
    history = GatedHistory(MemoryHistory())
    async with node_over(history) as node:
        group_of(node)._limit = 3
        with history.shut():
            first = await several(node, Deposit("a"))
            second = await several(node, *[Deposit("a")] * 5)
        answers = await asyncio.gather(*first, *second, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Overloaded)]
        assert len(refused) == 2
        assert (refused[0].waiting, refused[0].limit) == (3, 3)
        await node.send(Deposit("a"))
        await check_cache(node, history)
    assert await check_history(history) == 5


async def test_what_waits_together_is_appended_together() -> None:
    history = GatedHistory(MemoryHistory())
    async with node_over(history) as node:
        with history.shut():
            first = await several(node, Deposit("a"))
            second = await several(node, *(Deposit("a") for _ in range(50)))
        await asyncio.gather(*first, *second)
    assert history.batches == [1, 50]


async def test_a_metadata_model_sees_the_positions_and_times_that_the_history_gave(two: Two) -> None:
    for round_ in range(6):
        await two.race(
            Inspect("a"), Deposit("a"), Inspect("a"), Glance("a"),
            against=Inspect("a") if round_ % 2 else Deposit("a"),
        )  # fmt: skip
    inspected = [r for r in await everything_in(two.history) if r.type == "Inspected"]
    assert len(inspected) == 15


def test_a_contended_command_gives_up_in_the_end_and_says_so() -> None:
    class AlwaysRaced(RoughHistory):
        async def append(self, decisions):  # type: ignore[no-untyped-def]
            assert self.rival is not None
            await self.rival()
            return await self.real.append(decisions)

    async def main() -> None:
        history = MemoryHistory()
        async with node_over(history) as other, node_over(AlwaysRaced(history, rival=_deposit_by(other))) as node:
            with pytest.raises(Contended) as caught:
                await node.send(Deposit("a"))
            assert caught.value.attempts >= 10
            await check_cache(node, history)
        await check_history(history)

    run_virtually(main())


def _deposit_by(node: Node) -> Callable[[], Awaitable[None]]:
    async def be_first() -> None:
        await node.send(Deposit("a"))

    return be_first
