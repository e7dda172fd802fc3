"""Too many, too late: who is refused is told so at once, and nobody is told what is not so."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.faults.bank import Deposit, Inspect, Ponder, bank
from tests.faults.nodes import check_cache, check_history, node_over, quiet, several
from tests.faults.rough_history import FAULTS, GatedHistory, RoughHistory
from tests.faults.virtual import Stuck, run_virtually
from twofold import App, Command, Principal, Receipt, Rejected
from twofold.engines.memory import MemoryHistory
from twofold.errors import HandlerFailed, NodeClosed, OutcomeUnknown, Overloaded, StoreError, TimedOut
from twofold.history.boundary import Selection
from twofold.history.record import Position, Recorded
from twofold.node import Node
from twofold.write.admission import Admission
from twofold.write.deadline import Deadline

pytestmark = pytest.mark.anyio


class SlowReading(GatedHistory):
    """Loading a model waits at the gate as well."""

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        await self._gate.wait()
        async for batch in super().read(selection, after=after, until=until, limit=limit):
            yield batch


@asynccontextmanager
async def narrow(history: RoughHistory, limit: int) -> AsyncIterator[Node]:
    async with node_over(history, max_waiting=limit) as node:
        yield node


async def test_a_command_too_many_is_refused_at_once_while_the_others_wait_for_their_commit() -> None:
    history = GatedHistory(MemoryHistory())
    async with narrow(history, 3) as node:
        with history.shut():
            tasks = await several(node, Deposit("a"), Deposit("a"), Deposit("b"))
            with pytest.raises(Overloaded) as caught:
                await node.send(Deposit("c"))
            assert (caught.value.waiting, caught.value.limit) == (3, 3)
        assert sorted(receipt.position for receipt in await asyncio.gather(*tasks)) == [1, 2, 3]
        assert (await node.send(Deposit("c"))).position == 4


async def test_a_command_too_many_is_refused_at_once_while_the_others_load_their_models() -> None:
    memory = MemoryHistory()
    async with node_over(memory) as node:
        await node.send(Deposit("a"))
    history = SlowReading(memory)
    async with narrow(history, 2) as node:
        with history.shut():
            tasks = await several(node, Deposit("a"), Deposit("b"))
            assert history.batches == []
            with pytest.raises(Overloaded):
                await node.send(Deposit("c"))
        await asyncio.gather(*tasks)


async def test_a_command_too_many_is_refused_at_once_while_async_handlers_wait() -> None:
    async with narrow(RoughHistory(MemoryHistory()), 2) as node:
        tasks = await several(node, Ponder("a", 200), Ponder("b", 200))
        with pytest.raises(Overloaded):
            await node.send(Deposit("c"))
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("command", [Deposit("a"), Ponder("a", 3)])
async def test_whoever_leaves_makes_room_whatever_the_answer(command: Deposit | Ponder) -> None:
    async with narrow(RoughHistory(MemoryHistory(), ["failed", "odd"]), 1) as node:
        for _ in range(2):
            with pytest.raises(Exception, match=r"stored|error"):
                await node.send(command)
        task = (await several(node, Ponder("a", 99)))[0]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await node.send(command)).position == 1


async def test_the_limit_is_a_setting() -> None:
    async with bank.open("memory:", roles=["write"], max_waiting=1) as node:
        answers = await asyncio.gather(*(node.send(Deposit("a")) for _ in range(3)), return_exceptions=True)
        assert Counter(type(answer) for answer in answers) == {Receipt: 1, Overloaded: 2}


async def test_a_draining_node_decides_what_is_on_its_way_and_refuses_the_rest() -> None:
    history = SlowReading(MemoryHistory())
    async with node_over(history) as other:
        await other.send(Deposit("a"))
    async with node_over(history) as node:
        assert not node.is_draining
        with history.shut():
            tasks = await several(node, Deposit("a"), Ponder("b", 5))
            node.drain()
            assert node.is_draining
            with pytest.raises(NodeClosed):
                await node.send(Deposit("a"))
        assert {type(answer) for answer in await asyncio.gather(*tasks)} == {Receipt}
        assert await history.head() == 3


async def test_closing_waits_for_those_who_still_load(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as node:
        await asyncio.gather(*(node.send(Deposit(str(n % 50))) for n in range(2000)))
    node = bank.open(url, roles=["write"])
    async with node:
        tasks = [asyncio.ensure_future(node.send(Deposit(str(n)))) for n in range(50)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {Receipt, NodeClosed}


def test_closing_does_not_wait_for_ever_for_a_handler_that_never_ends() -> None:
    async def main() -> None:
        app, going_on = App("slow"), asyncio.Event()

        @app.command
        async def dawdle(command: Dawdle) -> None:
            await going_on.wait()

        node = app.open("memory:", roles=["write"])
        async with node:
            task = asyncio.ensure_future(node.send(Dawdle()))
            await asyncio.sleep(0.1)
        going_on.set()
        with pytest.raises(NodeClosed):
            await task

    run_virtually(main())


class Dawdle(Command):
    pass


async def test_a_command_that_is_decided_in_time_never_notices_its_deadline() -> None:
    async with node_over(MemoryHistory()) as node:
        for command in (Deposit("a"), Ponder("a", 3), Inspect("a")):
            assert isinstance(await node.send(command, timeout=60), Receipt)


def _deadline(history: RoughHistory, command: Deposit | Ponder, **more: Any) -> Any:
    async def main() -> Any:
        async with node_over(history) as node:
            return (await asyncio.gather(node.send(command, timeout=1.0, **more), return_exceptions=True))[0]

    return run_virtually(main())


class Stalled(RoughHistory):
    """Reading takes ten seconds, and so does an append, of which the answer comes at its end."""

    reading = appending = 0.0

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        await asyncio.sleep(self.reading)
        async for batch in super().read(selection, after=after, until=until, limit=limit):
            yield batch

    async def append(self, decisions: Sequence[Any]) -> Sequence[Any]:
        outcomes = await super().append(decisions)
        await asyncio.sleep(self.appending)
        return outcomes


def test_what_is_not_decided_in_time_is_given_up_while_its_models_load() -> None:
    memory = MemoryHistory()
    asyncio.run(_fill(memory))
    history = Stalled(memory)
    history.reading = 10.0
    command_id = uuid4()
    error = _deadline(history, Deposit("a"), command_id=command_id)
    assert isinstance(error, TimedOut)
    assert (error.command, error.timeout, error.command_id) == ("Deposit", 1.0, command_id)
    assert len(memory._events) == 1


async def _fill(memory: MemoryHistory) -> None:
    async with node_over(memory) as node:
        await node.send(Deposit("a"))


def test_what_is_in_the_append_is_told_as_unknown_and_a_repeat_tells_the_truth() -> None:
    async def main() -> None:
        history = Stalled(MemoryHistory())
        async with node_over(history) as node:
            history.appending = 10.0
            with pytest.raises(OutcomeUnknown) as caught:
                await node.send(Deposit("a"), timeout=1.0)
            command_id: UUID = caught.value.command_id
            # While the append goes on, and after it.
            for _ in range(2):
                again = await node.send(Deposit("a"), command_id=command_id)
                assert again == Receipt(command_id, 1, repeated=True)
            assert await history.head() == 1

    run_virtually(main())


def test_a_repeat_of_what_waits_behind_the_append_has_one_effect() -> None:
    async def main() -> None:
        history = Stalled(MemoryHistory())
        async with node_over(history) as node:
            history.appending = 10.0
            first = asyncio.ensure_future(node.send(Deposit("a")))
            await asyncio.sleep(0.1)
            # It waits for the next append; its repeat goes into the same one.
            with pytest.raises(OutcomeUnknown) as caught:
                await node.send(Deposit("a", 2), timeout=1.0)
            again = await node.send(Deposit("a", 2), command_id=caught.value.command_id)
            assert (again.position, again.repeated) == (2, True)
            assert (await first).position == 1
            assert await check_history(history) == 2

    run_virtually(main())


def test_an_append_that_fails_after_its_sender_was_told_leaves_no_trace() -> None:
    async def main() -> None:
        class Failing(Stalled):
            async def append(self, decisions: Sequence[Any]) -> Sequence[Any]:
                await asyncio.sleep(self.appending)
                return await RoughHistory.append(self, decisions)

        history = Failing(MemoryHistory(), ["failed"])
        async with node_over(history) as node:
            history.appending = 10.0
            with pytest.raises(OutcomeUnknown) as caught:
                await node.send(Deposit("a"), timeout=1.0)
            again = await node.send(Deposit("a"), command_id=caught.value.command_id)
            assert again == Receipt(caught.value.command_id, 1)
            await check_cache(node, history)

    run_virtually(main())


def test_a_repeat_that_waits_for_the_first_is_given_up_too() -> None:
    async def main() -> None:
        history = Stalled(MemoryHistory())
        async with node_over(history) as node:
            history.appending = 10.0
            command_id = uuid4()
            first = asyncio.ensure_future(node.send(Deposit("a"), command_id=command_id))
            await asyncio.sleep(0.1)
            with pytest.raises(TimedOut) as caught:
                await node.send(Deposit("a"), command_id=command_id, timeout=1.0)
            assert "stored" not in str(caught.value)
            assert (await first).position == 1

    run_virtually(main())


async def test_a_deadline_that_has_passed_stores_nothing() -> None:
    async with node_over(MemoryHistory()) as node:
        await node.send(Deposit("a"))
        for seconds in (0, -1):
            with pytest.raises(TimedOut):
                await node.send(Deposit("a"), timeout=seconds)
        assert await node.history.head() == 1


def live_through(seed: int) -> Counter[str]:
    """Let senders have deadlines of all lengths, amid faults; nobody may be told what is not so."""

    async def main() -> Counter[str]:
        history = MemoryHistory()
        plan = [FAULTS[(seed // 8**n) % 8] for n in range(3)]
        rough = Stalled(history, plan, turns=2, seed=seed, rival=_nothing)
        told: Counter[str] = Counter()
        ids = [uuid4() for _ in range(12)]

        async def sender(node: Node, n: int) -> None:
            await asyncio.sleep(0.01 * (n % 5))
            command = (Deposit("a"), Deposit("b"), Ponder("a", n), Inspect("a"))[(seed + n) % 4]
            timeout = 0.004 * ((seed + n) % 11) or None
            try:
                receipt = await node.send(command, command_id=ids[n], timeout=timeout)
            except (TimedOut, OutcomeUnknown, StoreError, HandlerFailed, RuntimeError) as error:
                told[type(error).__name__] += 1
                if isinstance(error, TimedOut):
                    # It is never found later on, whatever still goes on.
                    refused.append(ids[n])
            else:
                told["Receipt"] += 1
                assert await history.find(("", "", ids[n])) == receipt.position

        refused: list[UUID] = []
        rough.reading, rough.appending = 0.002 * (seed % 7), 0.003 * (seed % 5)
        async with node_over(rough) as node:
            await asyncio.gather(*(sender(node, n) for n in range(12)))
            await quiet(node)
            await check_cache(node, history)
        await check_history(history)
        for command_id in refused:
            if await history.find(("", "", command_id)) is not None:
                raise ToldWrongly(f"{command_id} was told as given up, and is stored")
        return told

    return run_virtually(main())


class ToldWrongly(AssertionError):
    pass


async def _nothing() -> None:
    return None


def test_nobody_is_told_that_a_stored_command_was_given_up() -> None:
    told: Counter[str] = sum((live_through(seed) for seed in range(0, 512, 2)), Counter())
    assert told["Receipt"] > 500
    assert told["TimedOut"] > 100
    assert told["OutcomeUnknown"] > 100


def test_a_planted_bug_is_found_a_deadline_that_cuts_off_what_may_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut_off(deadline: Deadline, coming: asyncio.Future[Any]) -> Any:
        deadline._timeout.reschedule(deadline._at)
        return await coming

    monkeypatch.setattr(Deadline, "outcome", cut_off)
    for seed in range(512):
        try:
            live_through(seed)
        except ToldWrongly:
            return
    pytest.fail("512 stories did not find it")


def test_a_planted_bug_is_found_an_admission_that_lets_everybody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Admission, "__enter__", lambda admission: setattr(admission, "_inside", admission._inside + 1))
    # The one too many waits with the others, for a gate that the test opens once it has been refused.
    with pytest.raises(Stuck):
        run_virtually(test_a_command_too_many_is_refused_at_once_while_the_others_wait_for_their_commit())


async def test_a_rejection_within_the_deadline_is_a_rejection() -> None:
    async with node_over(MemoryHistory()) as node:
        with pytest.raises(Rejected):
            await node.send(Ponder("a"), timeout=9, principal=Principal("rash"))
