"""`preview`: what would follow a command, of which nothing is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import pytest

from tests.faults.bank import Announce, Deposit, Deposited, Inspect, Inspected, Link, Move, Ponder, Pondered, Withdraw
from tests.faults.bank import bank as bank
from tests.faults.nodes import cache_of, check_cache, entries_of, node_over, several
from tests.faults.rough_history import GatedHistory
from twofold import (
    App,
    Command,
    Context,
    Event,
    Preview,
    Principal,
    Proceed,
    Receipt,
    Rejected,
    Tag,
    Transaction,
    WriteModel,
)  # fmt: skip
from twofold.engines.memory import MemoryHistory
from twofold.errors import ChangedSince, HandlerFailed, InvalidMessage, Overloaded, UnknownMessage, UnknownPosition
from twofold.node import Node
from twofold.write.preview import Previewer

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Node:
    return bank.open("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}", roles=["write"])


async def test_a_preview_tells_the_events_that_a_send_then_stores(node: Node) -> None:
    async with node:
        await node.send(Deposit("a", 5))
        for command in (Deposit("a"), Move("a", "b"), Move("a", "a"), Link("a", "b"), Ponder("a", 2), Announce("a")):
            head = await node.history.head()
            preview = await node.preview(command)
            assert await node.history.head() == head == preview.position
            receipt = await node.send(command, expected=preview.position if command != Announce("a") else None)
            stored = [each async for each in node.events(after=head)]
            assert [bank.codec.decode(each) for each in stored] == list(preview.events)
            assert [(each.type, each.tags, each.payload) for each in stored] == [
                (text.type, text.tags, bytes(text.payload)) for text in preview.texts
            ]
            assert receipt.position == head + len(preview.events)


async def test_a_model_with_metadata_sees_real_positions(node: Node) -> None:
    async with node:
        await node.send(Deposit("b"))
        await node.send(Deposit("a"))
        [event] = (await node.preview(Inspect("a"))).events
        assert isinstance(event, Inspected)
        assert (event.seen, event.last) == (1, 2)


async def test_a_rejection_is_raised_as_it_would_be(node: Node) -> None:
    async with node:
        with pytest.raises(Rejected) as caught:
            await node.preview(Withdraw("a"))
        assert caught.value == Rejected("too_little", "a:0")


async def test_the_past_is_decided_against_as_it_was(node: Node) -> None:
    async with node:
        for _ in range(2):
            await node.send(Deposit("a"))
        last = await node.send(Deposit("a"))
        await node.send(Withdraw("a", 3))
        assert (await node.preview(Withdraw("a", 2), as_of=2)).events
        assert (await node.preview(Withdraw("a", 3), as_of=last)).position == 3
        for position in (0, 1):
            with pytest.raises(Rejected):
                await node.preview(Withdraw("a", 2), as_of=position)
        assert (await node.preview(Deposit("a"), as_of=0)).events == (Deposited("a", 1, 0),)
        with pytest.raises(UnknownPosition) as caught:
            await node.preview(Deposit("a"), as_of=5)
        assert caught.value.facts == {"position": 5, "head": 4}
        with pytest.raises(InvalidMessage, match="as_of: expected a receipt, or a position"):
            await node.preview(Deposit("a"), as_of=-1)


async def test_expectations_are_told_of(node: Node) -> None:
    async with node:
        await node.send(Deposit("a"))
        assert (await node.preview(Deposit("a"), expected=1)).events
        with pytest.raises(ChangedSince) as caught:
            await node.preview(Deposit("a"), expected=0)
        assert caught.value.position == 1
        assert (await node.preview(Deposit("a"), expected=0, as_of=0)).events


async def test_it_leaves_no_trace_in_the_history_the_ledger_and_the_cache(tmp_path: Path) -> None:
    async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        await node.send(Deposit("a"))
        await node.send(Deposit("b"))
        before = [(entry, entry.revision, entry.model) for entry in entries_of(node)]
        hits = cache_of(node).hits, cache_of(node).misses
        command_id = uuid4()
        for command in (Deposit("a"), Deposit("new"), Move("a", "b"), Inspect("a")):
            await node.preview(command, command_id=command_id)
        with pytest.raises(Rejected):
            await node.preview(Withdraw("a", 9))
        assert [(entry, entry.revision, entry.model) for entry in entries_of(node)] == before
        assert (cache_of(node).hits, cache_of(node).misses) == hits
        await check_cache(node, node.history)
        # The id is free, and nothing of it is known.
        assert await node.history.find(("", "", command_id)) is None
        assert (await node.send(Deposit("a"), command_id=command_id)).repeated is False


async def test_it_is_decided_on_what_is_durable() -> None:
    history = GatedHistory(MemoryHistory())
    async with node_over(history) as node:
        await node.send(Deposit("a"))
        with history.shut():
            tasks = await several(node, Deposit("a"))
            preview = await node.preview(Ponder("a", 3))
            assert preview == Preview((Pondered("a", 1),), 1, preview.texts)
        await asyncio.gather(*tasks)


async def test_it_counts_as_a_command_on_its_way() -> None:
    async with bank.open("memory:", roles=["write"], max_waiting=1) as node:
        answers = await asyncio.gather(*(node.preview(Ponder("a", 9)) for _ in range(2)), return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["Overloaded", "Preview"]
        assert isinstance(answers[1], Overloaded)


Box = Annotated[str, Tag("box")]


class Fill(Command):
    box: Box
    how: str = ""


class Pack(Command):
    box: Box


class Filled(Event):
    box: Box
    weight: int


class Content(WriteModel, tag="box"):
    weight: int = 0

    def evolve(self, event: Filled) -> None:
        if event.weight < 0:
            raise ValueError("a box has no negative weight")
        self.weight += event.weight


def boxes(seen: list[Context]) -> App:
    app = App("boxes")

    @app.command
    def fill(command: Fill, content: Content, context: Context) -> Filled:
        seen.append(context)
        if command.how == "changes":
            content.weight = 9
        if command.how == "raises":
            raise ZeroDivisionError
        return Filled(command.box, -1 if command.how == "cannot be folded" else 1)

    @app.command
    async def pack(command: Pack, content: Content, transaction: Transaction) -> Filled:
        return Filled(command.box, 1)

    @app.around_command
    async def guard(command: Command, context: Context, proceed: Proceed) -> Receipt:
        if context.principal.name == "" and context.is_preview:
            raise Rejected("who_are_you")
        return await proceed()

    return app


@pytest.mark.parametrize("how", ["changes", "raises", "cannot be folded"])
async def test_a_handler_that_fails_fails_in_a_preview_as_well(how: str, tmp_path: Path) -> None:
    async with boxes([]).open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        for call in (node.preview, node.send):
            ask: Any = call
            with pytest.raises(HandlerFailed, match="fill"):
                await ask(Fill("a", how), principal=Principal("ada"))
        assert await node.history.head() == 0


async def test_it_passes_the_middleware_and_the_handler_knows_what_it_is(tmp_path: Path) -> None:
    seen: list[Context] = []
    async with boxes(seen).open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        with pytest.raises(Rejected, match="who are you"):
            await node.preview(Fill("a"))
        await node.preview(Fill("a"), principal=Principal("ada"))
        await node.send(Fill("a"), principal=Principal("ada"))
    assert [context.is_preview for context in seen] == [True, False]
    assert seen[0].command_id


async def test_a_handler_with_rows_of_its_own_has_no_preview(tmp_path: Path) -> None:
    async with boxes([]).open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        with pytest.raises(InvalidMessage, match="rows of its own"):
            await node.preview(Pack("a"), principal=Principal("ada"))


async def test_what_is_no_command_of_the_application_is_refused(node: Node) -> None:
    async with node:
        with pytest.raises(UnknownMessage):
            await node.preview(Fill("a"))
        with pytest.raises(InvalidMessage):
            await node.preview(Deposit(7))  # type: ignore[arg-type]


async def test_a_planted_bug_is_found_a_preview_on_the_models_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bank.open("memory:", roles=["write"]) as node:
        await node.send(Deposit("a"))
        [kept] = entries_of(node)

        async def folded(*_: Any) -> Any:
            return kept

        monkeypatch.setattr(Previewer, "_folded", folded)
        await node.preview(Deposit("a"))
        with pytest.raises(AssertionError, match="kept"):
            await check_cache(node, node.history)
