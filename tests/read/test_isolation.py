"""A slow or failing projection delays no other, nor commands, nor queries (F20)."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

import pytest

from tests.read.rig import append
from tests.read.sharing_rig import Bumped
from twofold import App, Command, Event, Query, ReadModel, View
from twofold.clock import new_id, new_uuid
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.errors import StoreFailed
from twofold.history.boundary import Condition, Selection
from twofold.history.record import Proposed, Submission
from twofold.history.store import Decision
from twofold.node import Node
from twofold.read.store import Advance
from twofold.read.table import Table

pytestmark = pytest.mark.anyio
BACKLOG = 4000
COMMANDS = 5


class Bump(Command):
    counter: str


class Quick(ReadModel, key="counter"):
    counter: str
    bumps: int = 0

    def evolve(self, event: Bumped) -> None:
        self.bumps += 1


class Slow(ReadModel, key="counter"):
    """Takes 0.2 ms of the processor for every event."""

    counter: str
    bumps: int = 0

    def evolve(self, event: Bumped) -> None:
        self.bumps += 1
        until = perf_counter() + 0.0002
        while perf_counter() < until:
            pass


class Poisoned(ReadModel, key="counter"):
    counter: str
    bumps: int = 0

    def evolve(self, event: Bumped) -> None:
        if event.counter == "poison":
            raise ValueError("no")
        self.bumps += 1


class HowOften(Query[int]):
    counter: str


bumping = App("bumping")


@bumping.command
def bump(command: Bump) -> Bumped:
    return Bumped(command.counter)


@bumping.query
async def how_often(query: HowOften, view: View[Quick]) -> int:
    found = await view.get(query.counter)
    return found.bumps if found else 0


for model in (Slow, Poisoned):
    bumping.read_model(model)


def node_with(history: MemoryHistory, views: MemoryViews | None = None) -> Node:
    node = bumping.open("memory:")
    node._parts.open_history = lambda: history
    node._parts.open_views = lambda: views or MemoryViews()
    return node


async def checkpoints(node: Node) -> dict[str, int]:
    return {status.name: status.checkpoint for status in await node.models()}


async def test_while_a_slow_read_model_catches_up_commands_and_other_read_models_go_on() -> None:
    history = MemoryHistory()
    for _ in range(BACKLOG // 50):
        await append(history, *(Bumped("a") for _ in range(50)))
    async with node_with(history) as node:
        for number in range(1, COMMANDS + 1):
            receipt = await node.send(Bump("a"))
            assert await node.ask(HowOften("a"), after=receipt, timeout=60) == BACKLOG + number
        found = await checkpoints(node)
        assert found["Slow"] < BACKLOG, "it was through before the others had done anything"
        await node.caught_up()
        assert set((await checkpoints(node)).values()) == {BACKLOG + COMMANDS}


async def test_control_a_fold_that_does_not_pause_holds_everybody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twofold.read.pace.Pace.is_due", lambda self: False)
    with pytest.raises(AssertionError, match="it was through"):
        await test_while_a_slow_read_model_catches_up_commands_and_other_read_models_go_on()


async def test_a_poison_event_parks_its_key_in_one_read_model() -> None:
    async with node_with(MemoryHistory()) as node:
        for counter in ("a", "poison", "a", "poison", "b"):
            await node.send(Bump(counter))
        await node.caught_up()
        assert {status.name: (status.rows, status.parked) for status in await node.models()} == {
            "Quick": (3, 0),
            "Slow": (3, 0),
            "Poisoned": (2, 1),
        }


class Failing(MemoryViews):
    """Stores nothing of one read model."""

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        if table.name == "Slow" and advance.reached > 0:
            raise StoreFailed(path="views", problem="it is full")
        return await super().apply(table, advance)


async def test_a_projection_whose_store_fails_stops_alone() -> None:
    async with node_with(MemoryHistory(), Failing()) as node:
        for number in range(1, 11):
            receipt = await node.send(Bump("a"))
            assert await node.ask(HowOften("a"), after=receipt) == number
        problems = {status.name: status.problem for status in await node.models()}
        while problems["Slow"] is None:
            # Nobody waits for it, so it has not begun its batch yet.
            await asyncio.sleep(0.005)
            problems = {status.name: status.problem for status in await node.models()}
        assert problems["Quick"] is None
        assert "it is full" in problems["Slow"]


class Rung(Event):
    bell: str
    strokes: int


class Bell(ReadModel, key="bell"):
    bell: str

    def evolve(self, event: Rung) -> None: ...


async def test_a_projection_that_cannot_decode_its_events_stops_alone() -> None:
    history = MemoryHistory()
    unreadable = Proposed(new_id(), "Rung", 1, (), b'{"bell":"a","strokes":"many"}')
    submission = Submission(new_uuid(), "Told", b"{}")
    await history.append([Decision(submission, Condition(Selection()), (unreadable,))])
    app = App("ringing")
    for each in (Quick, Bell):
        app.read_model(each)
    node = app.open("memory:", roles=["read", "project"])
    node._parts.open_history = lambda: history
    async with node:
        await append(history, Bumped("a"))
        quick = app.tables[Quick]
        assert node._parts.views is not None
        while await node._parts.views.checkpoint(quick) != 2:
            await asyncio.sleep(0.005)
        statuses = {status.name: status for status in await node.models()}
        while statuses["Bell"].problem is None:
            await asyncio.sleep(0.005)
            statuses = {status.name: status for status in await node.models()}
        assert not statuses["Bell"].live
        assert statuses["Quick"].problem is None
