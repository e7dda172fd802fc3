"""Handlers that fail, return what they must not, change their models, or race: nothing of it is appended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
import pytest

from tests.faults.nodes import cache_of, entries_of
from twofold import App, Command, Context, Event, Receipt, Rejected, Tag, WriteModel
from twofold.context import Principal
from twofold.errors import CommandIdReused, HandlerFailed
from twofold.node import Node

pytestmark = pytest.mark.anyio

BoxId = Annotated[str, Tag("box")]


class Do(Command):
    box: BoxId
    what: str = "put"


class Wait(Command):
    """Decided by an async handler that waits until the test lets it go."""

    box: BoxId
    what: str = "put"


class Put(Event):
    box: BoxId
    size: Annotated[int, msgspec.Meta(ge=0)]


class Undeclared(Event):
    box: BoxId


class Box(WriteModel, tag="box"):
    sizes: list[int] = []
    names: dict[str, int] = {}
    count: int = 0
    label: str | None = None

    def evolve(self, event: Put) -> None:
        self.sizes.append(event.size)
        self.count += 1


class Gate:
    """What the async handler waits for."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.entered = 0
        self.changes_its_model = False


boxes = App("boxes")


@boxes.command
def do(command: Do, box: Box, context: Context) -> Iterator[Put]:
    match command.what:
        case "put":
            yield Put(command.box, box.count)
        case "raise":
            yield Put(command.box, box.count)
            raise LookupError("the handler broke")
        case "undeclared":
            yield Put(command.box, box.count)
            yield Undeclared(command.box)  # type: ignore[misc]
        case "text":
            yield "put"  # type: ignore[misc]
        case "invalid":
            yield Put(command.box, -1)
        case "ill_typed":
            yield Put(command.box, "large")  # type: ignore[arg-type]
        case "no_tag_value":
            yield Put("", 1)
        case "assign":
            box.count = 99
            yield Put(command.box, box.count)
        case "assign_and_reject":
            box.label = "seen"
            raise Rejected("no", "no")
        case "assign_and_raise":
            box.label = "seen"
            raise LookupError("the handler broke")
        case "grow":
            box.sizes.append(99)
            yield Put(command.box, len(box.sizes))
        case "grow_a_dictionary":
            box.names["x"] = 1
        case "reject_late":
            yield Put(command.box, box.count)
            raise Rejected("changed_my_mind")
        case "twice":
            yield Put(command.box, box.count)
            yield Put(command.box, box.count + 1)


@boxes.command
async def wait(command: Wait, box: Box, gate: Gate) -> Put:
    if gate.changes_its_model:
        box.count = 99
        gate.changes_its_model = False
    gate.entered += 1
    seen = box.count
    await gate.opened.wait()
    if command.what == "raise":
        raise LookupError("the handler broke")
    if command.what == "reject":
        raise Rejected("not_now", f"{seen}")
    return Put(command.box, seen)


@pytest.fixture
async def gate() -> Gate:
    return Gate()


@pytest.fixture
async def node(gate: Gate) -> AsyncIterator[Node]:
    async with boxes.open("memory:", provide=[gate]) as node:
        yield node


async def sizes_in(node: Node) -> list[int]:
    return [boxes.codec.decode(recorded).size async for recorded in node.events()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("raise", "LookupError: the handler broke"),
        ("undeclared", "it returned Undeclared, its annotation allows Put"),
        ("text", "it returned str, its annotation allows Put"),
        ("invalid", "it returned an event that is not valid"),
        ("ill_typed", "it returned an event that is not valid"),
        ("no_tag_value", "it returned an event that is not valid"),
        ("assign", "it changed Box"),
        ("assign_and_reject", "it changed Box"),
        ("assign_and_raise", "it changed Box"),
        ("grow", "it changed Box"),
        ("grow_a_dictionary", "it changed Box"),
    ],
)
async def test_a_handler_that_does_what_it_must_not_appends_nothing_and_spoils_no_model(
    node: Node, what: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    await node.send(Do("a"))
    for _ in range(2):
        with pytest.raises(HandlerFailed) as caught:
            await node.send(Do("a", what))
        assert problem in caught.value.problem
        assert caught.value.incident in caplog.text
    assert await sizes_in(node) == [0]
    assert (await node.send(Do("a"))).position == 2
    assert await sizes_in(node) == [0, 1]


async def test_the_log_of_a_failed_handler_has_the_traceback(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "twofold.write"), pytest.raises(HandlerFailed) as caught:
        await node.send(Do("a", "raise"))
    assert isinstance(caught.value.__cause__, LookupError)
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_events_that_were_yielded_before_a_rejection_are_not_appended(node: Node) -> None:
    with pytest.raises(Rejected, match="changed my mind"):
        await node.send(Do("a", "reject_late"))
    assert await sizes_in(node) == []


async def test_a_rejected_command_leaves_its_id_free(node: Node) -> None:
    command_id = uuid4()
    with pytest.raises(Rejected):
        await node.send(Do("a", "reject_late"), command_id=command_id)
    receipt = await node.send(Do("a"), command_id=command_id)
    assert receipt == Receipt(command_id, 1)


async def test_a_failed_command_leaves_its_id_free(node: Node) -> None:
    command_id = uuid4()
    with pytest.raises(HandlerFailed):
        await node.send(Do("a", "raise"), command_id=command_id)
    assert await node.send(Do("a"), command_id=command_id) == Receipt(command_id, 1)


async def test_a_command_that_fails_under_the_id_of_another_is_told_that_the_id_is_used(node: Node) -> None:
    command_id = uuid4()
    await node.send(Do("a"), command_id=command_id)
    with pytest.raises(CommandIdReused) as caught:
        await node.send(Do("a", "raise"), command_id=command_id)
    assert caught.value.position == 1
    with pytest.raises(HandlerFailed):
        await node.send(Do("a", "raise"), command_id=command_id, principal=Principal("another"))
    assert await sizes_in(node) == [0]


async def test_a_repeat_whose_handler_fails_on_the_new_state_gets_the_first_receipt() -> None:
    app = App("once")

    class Once(Command):
        box: BoxId

    @app.command
    def once(command: Once, box: Box) -> Put:
        if box.count:
            raise LookupError("it never expected to be asked twice")
        return Put(command.box, 0)

    async with app.open("memory:") as node:
        command_id = uuid4()
        first = asyncio.ensure_future(node.send(Once("a"), command_id=command_id))
        while not any(entry.model.count for entry in entries_of(node)):  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        # Its sender goes away while the append is under way; the repeat must not be told that nothing was stored.
        first.cancel()
        again = await node.send(Once("a"), command_id=command_id)
        assert again == Receipt(command_id, 1, repeated=True)
        assert await node.send(Once("a"), command_id=command_id) == again


async def test_async_handlers_of_one_boundary_that_race_are_decided_one_after_another(node: Node, gate: Gate) -> None:
    tasks = [asyncio.ensure_future(node.send(Wait("a"))) for _ in range(10)]
    while gate.entered < 10:
        await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert await sizes_in(node) == list(range(10))
    assert gate.entered > 10


async def test_a_plain_handler_that_overtakes_an_async_one_is_seen_by_it(node: Node, gate: Gate) -> None:
    late = asyncio.ensure_future(node.send(Wait("a")))
    while not gate.entered:
        await asyncio.sleep(0)
    await node.send(Do("a"))
    gate.opened.set()
    await late
    assert await sizes_in(node) == [0, 1]


async def test_an_async_rejection_is_not_stale(node: Node, gate: Gate) -> None:
    late = asyncio.ensure_future(node.send(Wait("a", "reject")))
    while not gate.entered:
        await asyncio.sleep(0)
    await node.send(Do("a"))
    gate.opened.set()
    with pytest.raises(Rejected) as caught:
        await late
    assert caught.value.reason == "1"


async def test_an_async_handler_whose_model_was_evicted_meanwhile_decides_on_what_is_stored(
    node: Node, gate: Gate
) -> None:
    late = asyncio.ensure_future(node.send(Wait("a")))
    while not gate.entered:
        await asyncio.sleep(0)
    await node.send(Do("a"))
    cache_of(node).clear()
    await node.send(Do("b"))
    gate.opened.set()
    await late
    assert await sizes_in(node) == [0, 0, 1]


async def test_an_async_handler_changes_a_copy_of_its_model(node: Node, gate: Gate) -> None:
    gate.changes_its_model = True
    gate.opened.set()
    await node.send(Wait("a"))
    await node.send(Do("a"))
    assert await sizes_in(node) == [99, 1]


async def test_an_async_handler_that_fails_appends_nothing(node: Node, gate: Gate) -> None:
    gate.opened.set()
    with pytest.raises(HandlerFailed):
        await node.send(Wait("a", "raise"))
    assert await sizes_in(node) == []


async def test_a_cancelled_async_handler_appends_nothing(node: Node, gate: Gate) -> None:
    late = asyncio.ensure_future(node.send(Wait("a")))
    while not gate.entered:
        await asyncio.sleep(0)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    await node.send(Do("a"))
    assert await sizes_in(node) == [0]


async def test_the_events_of_one_decision_are_adjacent_and_share_their_command(node: Node) -> None:
    ids = [uuid4() for _ in range(20)]
    await asyncio.gather(*(node.send(Do("a", "twice"), command_id=command_id) for command_id in ids))
    found: list[UUID] = [recorded.metadata.command_id async for recorded in node.events()]
    assert found[0::2] == found[1::2]
    assert sorted(found[0::2]) == sorted(ids)
    assert await sizes_in(node) == list(range(40))
