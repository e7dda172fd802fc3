"""Boundaries that nobody has read yet are read together, and each is given its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from twofold.clock import new_id, new_uuid
from twofold.engines.memory import MemoryHistory
from twofold.errors import StoreFailed
from twofold.history.boundary import Condition, Criterion, Selection
from twofold.history.record import Position, Proposed, Recorded, Submission
from twofold.history.store import Decision
from twofold.write import beginnings as module
from twofold.write.beginnings import Beginning, Beginnings

pytestmark = pytest.mark.anyio
LIMIT = 5


class Gated(MemoryHistory):
    """Lets a read end when it is let, and remembers what was read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def read(
        self, selection: Selection, *, after: Position = 0, until: Position | None = None, limit: int | None = None
    ) -> AsyncIterator[Sequence[Recorded]]:
        self.reads.append(len(selection.criteria))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        async for batch in super().read(selection, after=after, until=until, limit=limit):
            yield batch


async def filled(*events: tuple[str, tuple[str, ...]]) -> Gated:
    """Return a history of events of a type with tags."""
    history = Gated()
    proposed = tuple(Proposed(new_id(), type_, 1, tags, b"{}") for type_, tags in events)
    await history.append([Decision(Submission(new_uuid(), "Told", b"{}"), Condition(Selection()), proposed)])
    return history


def begun(history: Gated, position: Position | None = None) -> Beginnings:
    head = len(history._events) if position is None else position
    return Beginnings(history, lambda: head)


def positions(beginning: Beginning) -> list[Position]:
    return [recorded.position for recorded in beginning.events]


async def reading(history: Gated, reads: Beginnings, *criteria: Criterion) -> list[asyncio.Task[Beginning]]:
    """Ask for beginnings, the first of which is being read when the others come."""
    tasks = [asyncio.create_task(reads.read(criterion, LIMIT)) for criterion in criteria]
    while not history.reads:
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


A, B, C = (Criterion(("Told",), (f"at:{name}",)) for name in "abc")


async def test_who_comes_while_another_is_read_is_read_together_with_the_others() -> None:
    history = await filled(("Told", ("at:a",)), ("Told", ("at:b",)), ("Other", ("at:b",)), ("Told", ("at:a", "at:c")))
    tasks = await reading(history, begun(history), A, B, C, B)
    history.gate.set()
    found = await asyncio.gather(*tasks)
    assert [positions(each) for each in found] == [[1, 4], [2], [4], [2]]
    assert {each.position for each in found} == {4}
    assert history.reads == [1, 2]


async def test_every_criterion_is_given_its_own_events() -> None:
    told = [("Told", ("at:a",)), ("Held", ("at:a", "by:x")), ("Told", ("at:b", "by:x")), ("Held", ()), ("Told", ())]
    history = await filled(*told)
    wanted = [
        Criterion(("Told", "Held"), ("at:a",)),
        Criterion(("Held",), ("at:a", "by:x")),
        Criterion(("Held", "Told"), ("by:x", "at:b")),
        Criterion(("Held",)),
        Criterion(("Told", "Held")),
        Criterion(("Told",), ("at:nobody",)),
    ]
    tasks = await reading(history, begun(history), A, *wanted)
    history.gate.set()
    found = await asyncio.gather(*tasks)
    assert [positions(each) for each in found[1:]] == [[1, 2], [2], [3], [2, 4], [1, 2, 3, 4, 5], []]


async def test_nothing_behind_the_position_is_read() -> None:
    history = await filled(*[("Told", ("at:a", "at:b"))] * 4)
    tasks = await reading(history, begun(history, 3), A, B)
    history.gate.set()
    assert [(positions(await task), (await task).position) for task in tasks] == [([1, 2, 3], 3)] * 2


async def test_a_beginning_is_cut_at_the_limit_and_tells_so() -> None:
    history = await filled(*[("Told", ("at:a", "at:b"))] * 9, ("Told", ("at:c",)))
    tasks = await reading(history, begun(history), A, B, C)
    history.gate.set()
    found = await asyncio.gather(*tasks)
    assert [(positions(each), each.position) for each in found] == [([1, 2, 3, 4, 5], 5)] * 2 + [([10], 10)]


async def test_where_some_are_long_fewer_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 8)
    monkeypatch.setattr(module, "_TOGETHER", 4)
    history = await filled(*[("Told", ("at:b",))] * 9, ("Told", ("at:c",)))
    others = [Criterion(("Told",), (f"at:{name}",)) for name in "defghijk"]
    tasks = await reading(history, begun(history), A, B, C, *others)
    history.gate.set()
    found = await asyncio.gather(*tasks)
    assert [(positions(each), each.position) for each in found[:3]] == [([], 10), ([1, 2, 3, 4, 5], 5), ([10], 10)]
    assert {(tuple(positions(each)), each.position) for each in found[3:]} == {((), 10)}
    # Four, then the halves of what was too much, and from there on more each time.
    assert history.reads == [1, 4, 2, 1, 1, 2, 3, 3]


async def test_an_error_is_everybodys_who_waited_and_the_next_is_read_again() -> None:
    history = await filled(("Told", ("at:a", "at:b")))
    reads = begun(history)
    tasks = await reading(history, reads, A, B, C)
    history.error = StoreFailed(path="history", problem="it is gone")
    history.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in found] == [StoreFailed] * 3
    history.error = None
    assert positions(await reads.read(B, LIMIT)) == [1]


async def test_who_gives_up_holds_up_nobody() -> None:
    history = await filled(("Told", ("at:a", "at:b")))
    tasks = await reading(history, begun(history), A, B, C, B)
    tasks[0].cancel()
    tasks[2].cancel()
    history.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in found] == [asyncio.CancelledError, Beginning, asyncio.CancelledError, Beginning]


async def test_more_than_are_read_together_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 2)
    history = await filled(("Told", ("at:a",)))
    tasks = await reading(history, begun(history), A, B, C, A, B, C)
    history.gate.set()
    assert [positions(each) for each in await asyncio.gather(*tasks)] == [[1], [], [], [1], [], []]
    assert history.reads == [1, 2, 2, 1]
