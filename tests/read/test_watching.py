"""Live queries: who watches sees the newest answer and each change once; a question is asked once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.virtual import run_virtually
from tests.read.test_freshness import Bell, Rang, Ring
from tests.read.test_freshness import ring as decide
from twofold import App, Context, Node, Principal, Query, ReadModel, View
from twofold.errors import NodeClosed, StoreFailed, TooManyWatchers
from twofold.read import watching
from twofold.read.asking import Demand
from twofold.read.freshness import Stand
from twofold.read.watching import Question


class Rings(Query[list[int]]):
    """How often a bell rang, slowly: what was read may be old by the time it is answered."""

    bell: str


class Whose(Query[str]):
    bell: str


class Fragile(Query[int]):
    bell: str


class Constant(Query[int]):
    pass


app = App("watched bells")
app.command(decide)
asked: list[str] = []


@app.query
async def rings(query: Rings, bells: View[Bell]) -> list[int]:
    asked.append(query.bell)
    found = await bells.get(query.bell)
    await asyncio.sleep(0.01)
    return [found.rings if found else 0]


@app.query
async def whose(query: Whose, context: Context, bells: View[Bell]) -> str:
    asked.append(query.bell)
    return f"{context.principal.name} {await bells.count()}"


@app.query
async def fragile(query: Fragile, bells: View[Bell]) -> int:
    found = await bells.get(query.bell)
    if found is not None and found.rings > 1:
        raise ValueError("it broke")
    return 0


@app.query
def constant(query: Constant) -> int:
    return 7


@pytest.fixture(autouse=True)
def forgotten() -> None:
    asked.clear()


def virtually(main: Coroutine[Any, Any, None]) -> None:
    run_virtually(main)


async def next_of(answers: AsyncIterator[Any]) -> Any:
    return await anext(answers)


def test_the_answer_comes_and_then_each_change_of_it() -> None:
    async def main() -> None:
        async with app.open("memory:") as node, aclosing(node.watch(Rings("a"))) as answers:
            assert await next_of(answers) == [0]
            for number in range(1, 4):
                await node.send(Ring("a"))
                assert await next_of(answers) == [number]

    virtually(main())


def test_a_change_that_changes_no_answer_is_not_seen() -> None:
    async def main() -> None:
        async with app.open("memory:") as node, aclosing(node.watch(Rings("a"))) as answers:
            await next_of(answers)
            for _ in range(5):
                await node.send(Ring("b"))
                await asyncio.sleep(1)
            await node.send(Ring("a"))
            assert await next_of(answers) == [1]
            assert len(asked) == 7

    virtually(main())


def test_who_takes_answers_slowly_gets_the_newest() -> None:
    async def main() -> None:
        async with app.open("memory:") as node, aclosing(node.watch(Rings("a"))) as answers:
            await next_of(answers)
            for _ in range(100):
                await node.send(Ring("a"))
                await asyncio.sleep(0.02)
            await asyncio.sleep(1)
            assert await next_of(answers) == [100]
            # A hundred changes within two seconds are few questions.
            assert len(asked) <= 2 / watching.PACE + 3

    virtually(main())


def test_a_thousand_who_watch_one_question_have_it_asked_once_for_all() -> None:
    async def one(node: Node, changes: int) -> list[list[int]]:
        async with aclosing(node.watch(Rings("a"))) as answers:
            return [await next_of(answers) for _ in range(changes)]

    async def main() -> None:
        async with app.open("memory:") as node:
            all_of_them = asyncio.gather(*(one(node, 4) for _ in range(1000)))
            for _ in range(3):
                await asyncio.sleep(1)
                await node.send(Ring("a"))
            assert await all_of_them == [[[0], [1], [2], [3]]] * 1000
            assert len(asked) == 4

    virtually(main())


def test_what_one_does_with_an_answer_is_not_seen_by_another() -> None:
    async def main() -> None:
        async with (
            app.open("memory:") as node,
            aclosing(node.watch(Rings("a"))) as one,
            aclosing(node.watch(Rings("a"))) as other,
        ):
            (await next_of(one)).append("scribbled")
            assert await next_of(other) == [0]

    virtually(main())


def test_an_answer_that_depends_on_who_asks_is_shared_with_nobody_else() -> None:
    async def main() -> None:
        async with app.open("memory:") as node:
            ada, bob = Principal("ada"), Principal("bob")
            watchers = [node.watch(Whose("a"), principal=who) for who in (ada, bob, ada)]
            assert [await next_of(each) for each in watchers] == ["ada 0", "bob 0", "ada 0"]
            assert len(asked) == 2
            for each in watchers:
                await each.aclose()

    virtually(main())


def test_the_first_answer_shows_what_was_sent_before() -> None:
    async def main() -> None:
        async with app.open("memory:") as node:
            session = node.session()
            early = node.watch(Rings("a"))
            await next_of(early)
            for number in range(1, 20):
                await session.send(Ring("a"))
                # Others watch it already, and may not have seen that.
                async with aclosing(session.watch(Rings("a"))) as answers:
                    assert await next_of(answers) == [number]

    virtually(main())


def test_an_error_of_the_handler_ends_it_for_everyone_and_not_for_ever() -> None:
    async def main() -> None:
        async with app.open("memory:") as node:
            watchers = [node.watch(Fragile("a")) for _ in range(3)]
            assert [await next_of(each) for each in watchers] == [0, 0, 0]
            await node.send(Ring("a"))
            await node.send(Ring("a"))
            for each in watchers:
                with pytest.raises(ValueError, match="it broke"):
                    await next_of(each)
            with pytest.raises(ValueError, match="it broke"):
                await next_of(node.watch(Fragile("a")))
            assert await next_of(node.watch(Fragile("b"))) == 0

    virtually(main())


def test_an_answer_that_rests_on_nothing_comes_once() -> None:
    async def main() -> None:
        async with app.open("memory:") as node:
            answers = node.watch(Constant())
            assert await next_of(answers) == 7
            asyncio.get_running_loop().call_later(5, node.drain)
            with pytest.raises(StopAsyncIteration):
                await next_of(answers)

    virtually(main())


@pytest.mark.parametrize("ending", ["drain", "close"])
def test_a_node_that_ends_ends_those_who_watch(ending: str) -> None:
    async def main() -> None:
        async with app.open("memory:") as node:
            seen = [answer async for answer in ended_by(node, ending)]
            assert seen == [[0], [1]]
            with pytest.raises(NodeClosed):
                await next_of(node.watch(Rings("a")))
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "twofold-watch"]

    async def ended_by(node: Node, ending: str) -> AsyncIterator[list[int]]:
        async for answer in node.watch(Rings("a")):
            yield answer
            await node.send(Ring("a")) if answer == [0] else await node.close() if ending == "close" else node.drain()

    virtually(main())


def test_there_are_never_more_than_there_may_be() -> None:
    async def main() -> None:
        async with app.open("memory:", max_watchers=2) as node:
            one, other = node.watch(Rings("a")), node.watch(Rings("b"))
            await next_of(one)
            await next_of(other)
            with pytest.raises(TooManyWatchers) as refused:
                await next_of(node.watch(Rings("a")))
            assert refused.value.facts == {"watchers": 2, "limit": 2}
            await one.aclose()
            assert await next_of(node.watch(Rings("a"))) == [0]

    virtually(main())


def test_those_who_leave_leave_nothing_behind() -> None:
    async def main() -> None:
        async with app.open("memory:") as node:
            tasks = [asyncio.ensure_future(next_of(node.watch(Rings(bell)))) for bell in "aabb"]
            await asyncio.sleep(0)
            for each in tasks[:3]:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(1)
            asking = node._parts.asking
            assert asking is not None
            assert not asking._watching._questions
            assert asking._watching._count == 0
            assert set(asking.freshness._watched.values()) <= {0}

    virtually(main())


@pytest.mark.anyio
async def test_a_reader_sees_what_another_node_projects(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"

    async def broken(*_: object) -> None:
        raise StoreFailed(path="views", problem="the disk is gone")

    async with (
        app.open(url, roles=["write", "project"]) as writer,
        app.open(url, roles=["read"]) as reader,
        aclosing(reader.watch(Rings("a"))) as answers,
    ):
        assert await next_of(answers) == [0]
        for number in range(1, 5):
            await writer.send(Ring("a"))
            assert await next_of(answers) == [number]
        assert reader._parts.views is not None
        reader._parts.views.standings = broken  # type: ignore[method-assign, assignment]
        with pytest.raises(StoreFailed):
            await next_of(answers)


def test_a_script_watches_without_an_event_loop(tmp_path: Path) -> None:
    with app.open(f"sqlite:///{tmp_path}").sync as node:
        answers = node.watch(Rings("a"))
        for number in range(4):
            assert next(answers) == [number]
            node.send(Ring("a"))
        answers.close()  # type: ignore[attr-defined]


class Hall(ReadModel, key="bell", segments=3):
    bell: str
    rings: int = 0

    def evolve(self, event: Rang) -> None:
        self.rings += 1


class InHall(Query[int]):
    pass


halls = App("halls")
halls.command(decide)


@halls.query
async def in_hall(query: InHall, hall: View[Hall]) -> int:
    return sum(bell.rings for bell in await hall.find())


def test_what_several_segments_show_is_told_by_the_one_that_is_behind() -> None:
    async def main() -> None:
        async with halls.open("memory:") as node, await node.watcher(InHall(), Demand()) as watcher:
            seen = [await watcher.next()]
            for number in range(12):
                await node.send(Ring(str(number)))
            while seen[-1] is not None and seen[-1].value < 12:
                seen.append(await watcher.next())
            for each in seen:
                assert each is not None
                assert each.position is not None
                assert each.position <= each.value

    virtually(main())


# What others do meanwhile: they wait so long, and then ring one of two bells or none.
DOINGS = st.lists(st.tuples(st.floats(0, 0.2), st.sampled_from(["a", "b", ""])), max_size=25)


async def watched(doings: list[tuple[float, str]]) -> None:
    """Watch a bell that others ring; check what was seen."""
    async with app.open("memory:") as node:

        async def ring() -> None:
            for pause, bell in doings:
                await asyncio.sleep(pause)
                if bell:
                    await node.send(Ring(bell))
            await asyncio.sleep(10)
            node.drain()

        ringing = asyncio.create_task(ring())
        seen = [answer[0] async for answer in node.watch(Rings("a"))]
        await ringing
        assert seen[-1] == sum(bell == "a" for _, bell in doings), "the last change was missed"
        assert seen == sorted(set(seen)), "an answer came twice, or an older one after a newer one"


@settings(max_examples=60, deadline=None)
@given(DOINGS)
def test_no_change_is_missed_and_none_is_seen_twice(doings: list[tuple[float, str]]) -> None:
    run_virtually(watched(doings))


class LooksLate(Question):
    """Planted: it looks how the read models stand after it was answered, and misses what came in between."""

    async def _ask_on(self) -> None:
        while True:
            value = await self._ask()
            stand = await self._freshness.look(self._tables)
            self._take(stand, self._freshness.shown(self._tables), value)
            await self._freshness.moved_from(self._tables, stand)


class ShowsAll(Question):
    """Planted: every answer is another one."""

    def _take(self, stand: Stand, position: int | None, value: Any) -> None:
        self.latest = None
        super()._take(stand, position, value)
        assert self.latest is not None
        self.latest = watching.msgspec.structs.replace(self.latest, digest=str(len(asked)))


@pytest.mark.parametrize(
    ("planted", "problem"), [(LooksLate, "the last change was missed"), (ShowsAll, "an answer came twice")]
)
def test_a_planted_bug_is_found(planted: type[Question], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "Question", planted)

    def live() -> None:
        for pause in range(40):
            run_virtually(watched([(0.2, "a"), (pause / 1000, "a"), (0.2, "b" if planted is ShowsAll else "")]))

    with pytest.raises(AssertionError, match=problem):
        live()
