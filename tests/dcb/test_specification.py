"""What a store of events must do to be one of dynamic consistency boundaries, through a thin adapter, on every engine.

https://dcb.events/specification/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from tests.dcb.recorder import ALL, ConditionFailed, Query, Recorder, Written
from tests.engines.conftest import memory_history, postgres_history, sqlite_history
from twofold.history.boundary import Criterion
from twofold.testing.contracts import HistoryEngine

pytestmark = pytest.mark.anyio

# Data is whatever the writer made of it, and tags need no kind: all of it is the recorder's own affair.
FIRST = Written("Opened", b"first", ("x",))
SECOND = Written("Moved", b"second", ("b", "a"))
THIRD = Written("Closed", b'{"third":  3}', ("a", "c"))
STORED = [FIRST, SECOND, THIRD]

ENGINES: dict[str, Callable[[pytest.FixtureRequest], HistoryEngine]] = {
    "memory": lambda request: memory_history(),
    "sqlite": lambda request: sqlite_history(lambda: request.getfixturevalue("tmp_path") / "data"),
    "postgres": lambda request: postgres_history(request.getfixturevalue("initialised")),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> HistoryEngine:
    return ENGINES[request.param](request)


@pytest.fixture
async def recorder(engine: HistoryEngine) -> AsyncIterator[Recorder]:
    async with engine.opened(engine.place()) as history:
        yield Recorder(history)


@pytest.fixture
async def filled(recorder: Recorder) -> Recorder:
    assert await recorder.append(FIRST) == 1
    assert await recorder.append(SECOND, THIRD) == 3
    return recorder


def types(*names: str) -> Criterion:
    return Criterion(names)


def tags(*names: str, of: tuple[str, ...] = ()) -> Criterion:
    return Criterion(of, names)


QUERIES: dict[str, tuple[Query, list[Written]]] = {
    "no item": (ALL, STORED),
    "an item without types or tags": ((Criterion(),), STORED),
    "a type": ((types("Opened"),), [FIRST]),
    "one of two types": ((types("Closed", "Opened"),), [FIRST, THIRD]),
    "a type that is not there": ((types("Lost"),), []),
    "a tag": ((tags("a"),), [SECOND, THIRD]),
    "a tag that is not there": ((tags("y"),), []),
    "all of its tags": ((tags("a", "b"),), [SECOND]),
    "tags that no event has together": ((tags("b", "c"),), []),
    "a type and a tag": ((tags("a", of=("Moved",)),), [SECOND]),
    "a type and the tag of another": ((tags("x", of=("Moved",)),), []),
    "one of two items": ((tags("b"), tags("c")), [SECOND, THIRD]),
    "the same items in another order": ((tags("c"), tags("b")), [SECOND, THIRD]),
    "two items of which one takes nothing": ((tags("y"), types("Opened")), [FIRST]),
    "items that take the same event": ((tags("a"), types("Moved")), [SECOND, THIRD]),
}
of_queries = pytest.mark.parametrize(("query", "taken"), QUERIES.values(), ids=QUERIES)


async def test_an_empty_store_has_nothing(recorder: Recorder) -> None:
    assert await recorder.read() == []


@of_queries
async def test_reads_what_a_query_takes_in_order_from_any_position(
    filled: Recorder, query: Query, taken: list[Written]
) -> None:
    expected = [(STORED.index(event) + 1, event) for event in taken]
    for after in range(4):
        assert await filled.read(query, after=after) == [each for each in expected if each[0] > after]
    for limit in range(1, 4):
        assert await filled.read(query, limit=limit) == expected[:limit]


@of_queries
async def test_appends_unless_its_condition_takes_an_event_after_its_position(
    filled: Recorder, query: Query, taken: list[Written]
) -> None:
    last = max((STORED.index(event) + 1 for event in taken), default=0)
    for after in range(last):
        with pytest.raises(ConditionFailed):
            await filled.append(Written("New", b""), Written("New", b""), unless=query, after=after)
    assert await filled.read(after=3) == []
    assert await filled.append(Written("New", b"{}"), unless=query, after=last) == 4


async def test_appends_without_a_condition_whatever_is_there(filled: Recorder) -> None:
    assert await filled.append(FIRST, FIRST) == 5
    assert await filled.read((types("Opened"),)) == [(1, FIRST), (4, FIRST), (5, FIRST)]


async def test_of_many_who_read_the_same_one_appends(filled: Recorder) -> None:
    boundary = (tags("a"),)
    after = (await filled.read(boundary))[-1][0]
    appending = (filled.append(SECOND, unless=boundary, after=after) for _ in range(20))
    outcomes = await asyncio.gather(*appending, return_exceptions=True)
    assert [each for each in outcomes if not isinstance(each, ConditionFailed)] == [4]
    assert len(await filled.read(boundary)) == 3


async def test_a_boundary_over_two_subjects_is_one_condition(recorder: Recorder) -> None:
    student, course = Written("Enrolled", b"{}", ("student:1",)), Written("Offered", b"{}", ("course:1",))
    joined = Written("Joined", b"{}", ("course:1", "student:1"))
    boundary = (tags("student:1", of=("Enrolled", "Joined")), tags("course:1", of=("Offered", "Joined")))
    await recorder.append(student, unless=(tags("student:1"),))
    seen = await recorder.append(course, unless=(tags("course:1"),))
    # What concerns neither of the two, and what concerns them in another way, does not matter.
    await recorder.append(Written("Enrolled", b"{}", ("student:2",)), Written("Renamed", b"{}", ("course:1",)))
    await recorder.append(joined, unless=boundary, after=seen)
    for subject in ("student:1", "course:1"):
        with pytest.raises(ConditionFailed):
            await recorder.append(joined, unless=(tags(subject, of=("Joined",)),), after=seen)
    assert [event for _, event in await recorder.read(boundary)] == [student, course, joined]


async def test_who_subscribes_gets_what_is_there_and_what_comes(filled: Recorder) -> None:
    async with aclosing(filled.subscribe((tags("a"),), after=2)) as events, asyncio.timeout(120):
        assert await anext(events) == (3, THIRD)
        coming = asyncio.ensure_future(anext(events))
        await filled.append(FIRST)
        await filled.append(SECOND)
        assert await coming == (5, SECOND)
