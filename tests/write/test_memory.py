"""What is kept in memory is bounded by count and by bytes, the least recently used goes first, and it is counted."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.bank import Deposit, Glance, Inspect, bank
from tests.faults.nodes import cache_of, check_cache, entries_of, node_over, quiet
from twofold import App, Command, Event, Tag, WriteModel
from twofold.engines.memory import MemoryHistory
from twofold.errors import NodeClosed, RoleMissing
from twofold.write.bounded import Bounded
from twofold.write.size import size_of

pytestmark = pytest.mark.anyio


# what is bounded


def test_too_many_values_make_the_least_recently_used_go() -> None:
    kept: Bounded[str, str] = Bounded(3, 1_000)
    for key in "abc":
        assert kept.put(key, key.upper(), 1) == []
    assert kept.get("a") == "A"
    assert kept.peek("b") == "B"
    assert kept.put("d", "D", 1) == ["B"]
    assert list(kept.values) == ["C", "A", "D"]
    assert (len(kept), kept.bytes) == (3, 3)


def test_too_many_bytes_make_as_many_go_as_are_needed() -> None:
    kept: Bounded[str, str] = Bounded(100, 10)
    for key in "abcde":
        kept.put(key, key.upper(), 2)
    assert kept.put("f", "F", 5) == ["A", "B", "C"]
    assert kept.bytes == 9
    # One that grows counts with its new size.
    assert kept.put("d", "D", 6) == ["D"]
    assert kept.put("g", "G", 11) == ["E", "F", "G"]
    assert (len(kept), kept.bytes) == (0, 0)


def test_what_is_held_stays_until_it_is_released() -> None:
    kept: Bounded[str, str] = Bounded(1, 1_000)
    kept.hold("ab")
    kept.hold("a")
    assert [kept.put(key, key, 1) for key in "abc"] == [[], [], ["c"]]
    kept.release("ab")
    assert kept.put("d", "d", 1) == ["b", "d"]
    kept.release("a")
    assert kept.put("e", "e", 1) == ["a"]


@given(
    st.lists(st.tuples(st.sampled_from(["put", "get", "remove", "clear"]), st.integers(0, 6), st.integers(0, 9))),
    st.integers(1, 5),
    st.integers(1, 20),
)
def test_whatever_is_done_the_bounds_hold_and_the_sizes_add_up(
    steps: list[tuple[str, int, int]], count: int, size: int
) -> None:
    kept: Bounded[int, tuple[int, int]] = Bounded(count, size)
    sizes: dict[int, int] = {}
    for what, key, size_of_it in steps:
        match what:
            case "put":
                sizes[key] = size_of_it
                for gone, _ in kept.put(key, (key, size_of_it), size_of_it):
                    del sizes[gone]
            case "get":
                assert (kept.get(key) is None) == (key not in sizes)
            case "remove":
                kept.remove(key)
                sizes.pop(key, None)
            case _:
                kept.clear()
                sizes.clear()
        assert len(kept) == len(sizes) <= count
        assert kept.bytes == sum(sizes.values()) <= size


# the estimate


class Colour(Enum):
    RED = "red"


class Plain(msgspec.Struct):
    name: str = ""
    numbers: list[int] = []
    ids: set[UUID] = set()
    names: dict[str, str] = {}
    inside: list[dict[str, list[str]]] = []
    money: list[Decimal] = []
    times: list[datetime] = []


MAKERS: dict[str, Callable[[], Plain]] = {
    "numbers": lambda: Plain(numbers=[10_000 + n for n in range(5_000)]),
    "ids": lambda: Plain(ids={uuid4() for _ in range(3_000)}),
    "names": lambda: Plain(names={f"name {n}": f"value {n}" * 5 for n in range(3_000)}),
    "nested": lambda: Plain(inside=[{f"{n} {k}": [f"{n} {m}" for m in range(20)] for k in "abc"} for n in range(200)]),
    "a long text": lambda: Plain(name="x" * 500_000),
    "others": lambda: Plain(
        money=[Decimal(n) / 7 for n in range(3_000)], times=[datetime.now(UTC) for _ in range(999)]
    ),
}


@pytest.mark.parametrize("what", MAKERS)
def test_the_estimate_is_near_what_python_takes(what: str) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        model = MAKERS[what]()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.6 * taken < size_of(model) < 1.6 * taken


@pytest.mark.parametrize("value", [None, True, Colour.RED, int])
def test_what_all_share_counts_nothing(value: Any) -> None:
    assert size_of(value) == 0


# the cache of a node


class Note(Command):
    box: Annotated[str, Tag("box")]
    text: str = ""


class Noted(Event):
    box: Annotated[str, Tag("box")]
    text: str = ""


class Box(WriteModel, tag="box"):
    texts: list[str] = []

    def evolve(self, event: Noted) -> None:
        self.texts.append(event.text)


boxes = App("boxes")


@boxes.command
def note(command: Note, box: Box) -> Noted:
    return Noted(command.box, command.text)


async def test_large_models_go_before_there_are_too_many() -> None:
    async with boxes.open("memory:", roles=["write"], cache_models=1_000, cache_bytes=100_000) as node:
        for n in range(300):
            await node.send(Note(f"box-{n % 30}", "x" * 1_000))
            assert node.statistics().bytes <= 100_000
        found = node.statistics()
        assert 0 < found.models < 30
        assert found.evictions > 100


async def test_a_model_that_grows_is_measured_again() -> None:
    async with boxes.open("memory:", roles=["write"]) as node:
        for n in range(400):
            await node.send(Note("one", f"{n}" * 100))
        measured = node.statistics().bytes
    async with boxes.open("memory:", roles=["write"], cache_bytes=measured // 2) as node:
        for n in range(400):
            await node.send(Note("one", f"{n}" * 100))
        # It alone is too large to be kept; it was decided on all the same.
        assert node.statistics().evictions >= 1
        assert len([each async for each in node.events()]) == 400


async def test_hits_misses_and_evictions_are_counted() -> None:
    history = MemoryHistory()
    async with node_over(history) as node:
        cache_of(node).kept.count = 2
        for name in "aaabbca":
            await node.send(Deposit(name))
        found = node.statistics()
        assert (found.hits, found.misses, found.evictions, found.models) == (3, 4, 2, 2)
        await node.send(Inspect("a"))
        await quiet(node)
        await node.send(Inspect("a"))
        found = node.statistics()
        # A model that takes metadata is read anew after each of its own events.
        assert (found.hits, found.misses, found.evictions, found.models) == (3, 6, 3, 2)
        assert found.bytes == sum(entry.measure() for entry in entries_of(node))
        assert (found.waiting, found.snapshots, found.snapshot_bytes) == (0, 0, 0)
        await check_cache(node, history)


async def test_a_long_models_snapshot_is_counted() -> None:
    history = MemoryHistory()
    async with node_over(history) as node:
        for _ in range(250):
            await node.send(Deposit("a"))
        cache_of(node).clear()
        await node.send(Glance("a"))
        found = node.statistics()
        assert found.snapshots == 1
        assert 0 < found.snapshot_bytes < 10_000


async def test_a_node_that_takes_no_commands_has_no_such_statistics() -> None:
    node = bank.open("memory:", roles=["read"])
    with pytest.raises(NodeClosed):
        node.statistics()
    async with node:
        with pytest.raises(RoleMissing):
            node.statistics()
