"""Reading one's own write: in process, from another process, and what is told when that does not come in time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import pytest

from tests.faults.bank import Announce, Deposit, GetStatement, bank
from tests.faults.nodes import node_over
from tests.faults.processes import workers
from tests.faults.virtual import run_virtually
from tests.faults.worker import Options
from tests.read.rig import append, codec_of, table_of
from twofold import App, Command, Event, Query, ReadModel, Tag, View
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.errors import NotFresh
from twofold.node import Node
from twofold.read import projector
from twofold.read.freshness import Freshness
from twofold.read.projector import Projector
from twofold.read.store import Advance, Standing
from twofold.read.table import Table

pytestmark = pytest.mark.anyio


class Rang(Event):
    bell: Annotated[str, Tag("bell")]


class Ring(Command):
    bell: Annotated[str, Tag("bell")]


class Bell(ReadModel, key="bell"):
    bell: str
    rings: int = 0

    def evolve(self, event: Rang) -> None:
        self.rings += 1


class Stubborn(ReadModel, key="bell"):
    bell: str

    def evolve(self, event: Rang) -> None: ...


class HowOften(Query[int]):
    bell: str


class Both(Query[int]):
    bell: str


bells = App("bells")


@bells.command
def ring(command: Ring) -> Rang:
    return Rang(command.bell)


@bells.query
async def how_often(query: HowOften, view: View[Bell]) -> int:
    found = await view.get(query.bell)
    return found.rings if found else 0


@bells.query
async def both(query: Both, view: View[Bell], stubborn: View[Stubborn]) -> int:
    return await view.count() + await stubborn.count()


class Stopping(MemoryViews):
    """Applies nothing to one read model, so that its projection never comes forward."""

    def __init__(self, stopped: str) -> None:
        super().__init__()
        self.stopped = stopped
        self.tries = 0

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        if table.name == self.stopped and advance.reached > 0:
            self.tries += 1
            await asyncio.Event().wait()
        return await super().apply(table, advance)


@pytest.fixture
async def slow() -> AsyncIterator[Node]:
    """A node that runs well but for the projection of one read model."""
    node = bells.open("memory:")
    node._parts.open_views = lambda: Stopping("Stubborn")
    async with node:
        yield node


@pytest.mark.parametrize("address", ["memory:", "sqlite"])
async def test_a_receipt_reads_its_own_write(address: str, tmp_path: Path) -> None:
    url = address if address == "memory:" else f"sqlite:///{tmp_path}"
    async with bells.open(url) as node:
        for number in range(1, 50):
            receipt = await node.send(Ring("a"))
            assert await node.ask(HowOften("a"), after=receipt) == number
            assert await node.ask(HowOften("a"), after=receipt.position) == number


async def test_many_senders_at_once_read_their_own_writes(tmp_path: Path) -> None:
    async def one(node: Node, bell: str) -> None:
        for number in range(10):
            receipt = await node.send(Ring(bell))
            assert await node.ask(HowOften(bell), after=receipt) == number + 1

    async with bells.open(f"sqlite:///{tmp_path}") as node:
        await asyncio.gather(*(one(node, f"bell-{n}") for n in range(20)))


async def test_events_of_other_types_do_not_keep_a_read_model_behind(tmp_path: Path) -> None:
    async with bank.open(f"sqlite:///{tmp_path}") as node:
        await node.send(Deposit("a"))
        receipt = await node.send(Announce("a"))
        found = await node.ask(GetStatement("a"), after=receipt)
        assert found is not None
        assert found.entries == 1


async def test_without_a_position_an_answer_does_not_wait(slow: Node) -> None:
    await slow.ask(Both("a"))
    await slow.send(Ring("a"))
    await slow.ask(Both("a"), timeout=0)


async def test_what_is_not_fresh_in_time_tells_which_read_model_and_how_far_it_is(slow: Node) -> None:
    await slow.ask(Both("a"))
    receipt = await slow.send(Ring("a"))
    # The other read model is there: of two that are late the first would be told.
    await slow.ask(HowOften("a"), after=receipt, timeout=60)
    with pytest.raises(NotFresh) as caught:
        await slow.ask(Both("a"), after=receipt, timeout=0.05)
    assert caught.value.facts == {"model": "Stubborn", "wanted": 1, "reached": 0, "timeout": 0.05}
    assert "read model Stubborn had reached position 0 after 0.05 s, asked for was 1" in str(caught.value)


async def test_a_projection_that_stands_still_holds_no_other_up(slow: Node) -> None:
    for number in range(20):
        receipt = await slow.send(Ring("a"))
        assert await slow.ask(HowOften("a"), after=receipt) == number + 1
    lag = {model.name: model.lag for model in await slow.models()}
    assert lag == {"Bell": 0, "Stubborn": 20}


async def test_a_position_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    async with bells.open(f"sqlite:///{tmp_path}") as node:
        waiting = asyncio.ensure_future(node.ask(HowOften("a"), after=2))
        await node.send(Ring("a"))
        await node.send(Ring("a"))
        assert await waiting == 2


def test_waiters_are_woken_by_the_projection_and_do_not_poll() -> None:
    class Watched(MemoryViews):
        asked = 0

        async def standings(self, table: Table[Any]) -> Sequence[Standing]:
            self.asked += 1
            return await super().standings(table)

    async def main() -> None:
        views = Watched()
        node = bells.open("memory:")
        node._parts.open_views = lambda: views
        async with node:
            await node.ask(HowOften("a"))
            before = views.asked
            for _ in range(10):
                receipt = await node.send(Ring("a"))
                await node.ask(HowOften("a"), after=receipt)
            assert views.asked == before

    # Who waits for more than a second looks, and on a machine that is held up so long the wait would be one.
    run_virtually(main())


def test_who_waits_for_what_others_project_is_not_kept_waiting_by_those_who_watch_what_is_projected_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        here, elsewhere, store = table_of(Bell), table_of(Stubborn), MemoryViews()
        freshness = Freshness(store)
        for table in (here, elsewhere):
            await store.prepare(table, uuid4())
            assert await store.apply(table, Advance(0, 1, live=True))
        freshness.projects(here, here=True)
        freshness.moved(here, 1)
        watching = asyncio.create_task(freshness.moved_from([here], await freshness.look([here])))
        await asyncio.sleep(10)
        waiting = asyncio.create_task(freshness.wait([elsewhere], 2, 0.5))
        await asyncio.sleep(0.2)
        assert await store.apply(elsewhere, Advance(1, 2))
        await waiting
        watching.cancel()
        await freshness.close()

    monkeypatch.setattr("twofold.read.freshness._SELDOM", 1000)
    run_virtually(main())
    # The control: a rest from which nobody wakes it.
    monkeypatch.setattr(Freshness, "_watching", deaf(Freshness._watching))
    with pytest.raises(NotFresh):
        run_virtually(main())


def deaf(watching: Any) -> Any:
    def watching_deafly(self: Freshness, store: str) -> Any:
        self._elsewhere.notify = lambda: None  # type: ignore[method-assign]
        return watching(self, store)

    return watching_deafly


async def test_a_reader_sees_what_another_process_projects(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'data'}"
    async with bank.open(url, roles=["write"]) as writer:
        with workers([("project", Options(url))]) as (projector,):
            projector.wait_until(lambda said: "ready" in said)
            async with bank.open(url, roles=["read"]) as reader:
                for number in range(1, 11):
                    receipt = await writer.send(Deposit("a"))
                    found = await reader.ask(GetStatement("a"), after=receipt, timeout=30)
                    assert found is not None
                    assert found.balance == number
                    # What is there already is not waited for, however short the time.
                    assert await reader.ask(GetStatement("a"), after=receipt, timeout=0) == found
                projector.kill()
                late = await writer.send(Deposit("a"))
                with pytest.raises(NotFresh) as caught:
                    await reader.ask(GetStatement("a"), after=late, timeout=0.05)
                assert (caught.value.wanted, caught.value.reached) == (11, 10)


async def test_a_reader_that_is_opened_late_finds_at_once_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url) as node:
        receipt = await node.send(Deposit("a"))
        await node.caught_up()
        async with bank.open(url, roles=["read"]) as reader:
            found = await reader.ask(GetStatement("a"), after=receipt, timeout=0)
            assert found is not None


async def test_a_waiter_that_goes_away_leaves_nothing_behind(slow: Node) -> None:
    await slow.ask(Both("a"))
    assert slow._parts.asking is not None
    freshness = slow._parts.asking.freshness
    receipt = await slow.send(Ring("a"))
    waiting = [asyncio.ensure_future(slow.ask(Both("a"), after=receipt)) for _ in range(5)]
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not freshness._moved._waiters
    assert set(freshness._awaited.values()) <= {0}


async def test_a_node_that_only_projects_answers_nothing_and_says_so() -> None:
    history = MemoryHistory()
    async with node_over(history, roles=["project"]) as node:
        with pytest.raises(Exception, match="leaves out 'read'"):
            await node.ask(GetStatement("a"))
        await append(history, Rang("a"))


class HurriedWhileRead(MemoryHistory):
    """Somebody waits on another node, from right behind the moment in which it is looked how far the history is."""

    freshness: Freshness
    heads = 0

    async def head(self) -> int:
        found = await super().head()
        self.heads += 1
        if self.heads == 3:
            # Two looks are those of a projection that begins, the third is that of its first batch.
            self.freshness.hurry()
        return found


async def seen_of_two_batches(history: HurriedWhileRead, monkeypatch: pytest.MonkeyPatch, patience: float) -> int:
    """Return how many of two batches are projected, the second after so many seconds at most."""
    for name in ("_LINGER", "_LINGER_BUSY"):
        monkeypatch.setattr(projector, name, 3600.0)
    store = MemoryViews()
    history.freshness = Freshness(store)
    await append(history, Rang("a"))
    projecting = Projector(table_of(Bell), history, store, codec_of(Bell), history.freshness)
    await projecting.prepare()
    task = asyncio.create_task(projecting.run())
    try:
        reached = partial(history.freshness.reached, table_of(Bell))
        while reached() != 1:
            await asyncio.sleep(0.001)
        await append(history, Rang("a"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while reached() != 2:
                    await asyncio.sleep(0.001)
        return reached() or 0
    finally:
        task.cancel()


async def test_a_hint_that_comes_behind_the_look_at_the_head_holds_for_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await seen_of_two_batches(HurriedWhileRead(), monkeypatch, 60) == 2


async def test_control_without_a_hint_the_next_batch_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    history = HurriedWhileRead()
    history.heads = 10
    assert await seen_of_two_batches(history, monkeypatch, 0.2) == 1
