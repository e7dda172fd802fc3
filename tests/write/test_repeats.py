"""A command id is decided once: a repeat gets the first receipt, another command under it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest

from tests.faults.bank import Deposit, Glance, Move, Ponder, Withdraw, bank
from tests.faults.nodes import check_cache, check_history, node_over, quiet
from tests.faults.rough_history import Fault, GatedHistory, RoughHistory
from twofold import Receipt, Rejected
from twofold.context import Principal
from twofold.engines.memory import MemoryHistory
from twofold.errors import CommandIdReused, OutcomeUnknown, StoreError, StoreFailed
from twofold.node import Node

pytestmark = pytest.mark.anyio

Folder: TypeAlias = Callable[[], Node]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes nodes that share one SQLite folder."""
    return lambda: bank.open(f"sqlite:///{tmp_path}", roles=["write"])


async def test_repeats_at_once_in_one_node_have_one_effect(folder: Folder) -> None:
    command_id = uuid4()
    async with folder() as node:
        receipts = await asyncio.gather(*(node.send(Deposit("a"), command_id=command_id) for _ in range(30)))
        assert {receipt.position for receipt in receipts} == {1}
        assert [receipt.repeated for receipt in receipts].count(False) == 1
        assert await check_history(node.history) == 1


async def test_repeats_at_once_on_two_nodes_have_one_effect(folder: Folder) -> None:
    ids = [uuid4() for _ in range(25)]
    async with folder() as one, folder() as other:
        receipts = await asyncio.gather(
            *(node.send(Deposit("ab"[n % 2]), command_id=ids[n]) for node in (one, other, one) for n in range(25))
        )
        for n, command_id in enumerate(ids):
            given = {receipt.position for receipt in receipts[n::25]}
            assert len(given) == 1
            assert {receipt.command_id for receipt in receipts[n::25]} == {command_id}
            assert [receipt.repeated for receipt in receipts[n::25]].count(False) == 1
        for node in (one, other):
            await quiet(node)
            await check_cache(node, node.history)
        assert await check_history(one.history) == 25


async def test_a_repeat_after_a_restart_gets_the_first_receipt(folder: Folder) -> None:
    command_id = uuid4()
    async with folder() as node:
        await node.send(Deposit("b"))
        first = await node.send(Deposit("a"), command_id=command_id)
    async with folder() as node:
        assert await node.send(Deposit("a"), command_id=command_id) == Receipt(command_id, 2, repeated=True)
        assert first == Receipt(command_id, 2)
        assert await check_history(node.history) == 2


async def test_an_id_that_was_made_by_the_node_is_known_after_a_restart_too(folder: Folder) -> None:
    async with folder() as node:
        first = await node.send(Deposit("a"))
    async with folder() as node:
        again = await node.send(Deposit("a"), command_id=first.command_id)
        assert again == Receipt(first.command_id, first.position, repeated=True)


@pytest.mark.parametrize(
    "other_command", [Deposit("a", 2), Withdraw("a", 1), Deposit("b", 1), Glance("a"), Ponder("a")]
)
async def test_another_command_under_a_used_id_is_refused(folder: Folder, other_command: Deposit) -> None:
    command_id = uuid4()
    async with folder() as node, folder() as other:
        await node.send(Deposit("a"), command_id=command_id)
        for each in (node, other):
            with pytest.raises(CommandIdReused) as caught:
                await each.send(other_command, command_id=command_id)
            assert (caught.value.command_id, caught.value.position) == (command_id, 1)
            await check_cache(each, each.history)
        assert await check_history(node.history) == 1
    async with folder() as node:
        with pytest.raises(CommandIdReused):
            await node.send(other_command, command_id=command_id)


async def test_of_two_commands_that_race_for_one_id_exactly_one_is_accepted(folder: Folder) -> None:
    async with folder() as one, folder() as other:
        for round_ in range(10):
            command_id = uuid4()
            answers = await asyncio.gather(
                one.send(Deposit("a", 1), command_id=command_id),
                other.send(Deposit("a", 2), command_id=command_id),
                one.send(Deposit("b", 3), command_id=command_id),
                return_exceptions=True,
            )
            assert sorted(type(answer).__name__ for answer in answers) == [
                "CommandIdReused",
                "CommandIdReused",
                "Receipt",
            ]
            assert await check_history(one.history) == round_ + 1


async def test_an_id_belongs_to_its_principal(folder: Folder) -> None:
    command_id = uuid4()
    async with folder() as node:
        first = await node.send(Deposit("a"), command_id=command_id, principal=Principal("ada"))
        second = await node.send(Deposit("a", 2), command_id=command_id, principal=Principal("bob"))
        assert (first.position, second.position) == (1, 2)


async def test_a_repeat_of_an_accepted_command_that_would_now_be_rejected_gets_its_receipt(folder: Folder) -> None:
    command_id = uuid4()
    async with folder() as node:
        await node.send(Deposit("a"))
        first = await node.send(Withdraw("a"), command_id=command_id)
        again = await asyncio.gather(*(node.send(Withdraw("a"), command_id=command_id) for _ in range(3)))
        assert {(receipt.position, receipt.repeated) for receipt in again} == {(first.position, True)}
        with pytest.raises(Rejected):
            await node.send(Withdraw("a"))


async def test_a_repeat_of_a_rejected_command_is_decided_again(folder: Folder) -> None:
    command_id = uuid4()
    async with folder() as node:
        with pytest.raises(Rejected):
            await node.send(Withdraw("a"), command_id=command_id)
        await node.send(Deposit("a"))
        assert await node.send(Withdraw("a"), command_id=command_id) == Receipt(command_id, 2)


async def test_a_repeat_of_a_command_without_events_gets_its_receipt(folder: Folder) -> None:
    command_id = uuid4()
    async with folder() as node:
        await node.send(Deposit("a"))
        first = await node.send(Glance("a"), command_id=command_id)
        await node.send(Deposit("a"))
        assert await node.send(Glance("a"), command_id=command_id) == Receipt(command_id, first.position, repeated=True)


async def test_a_repeat_while_the_first_waits_for_its_append_waits_for_it() -> None:
    history = GatedHistory(MemoryHistory())
    command_id = uuid4()
    async with node_over(history) as node:
        with history.shut():
            first = asyncio.ensure_future(node.send(Move("a", "a", 1), command_id=command_id))
            other = asyncio.ensure_future(node.send(Deposit("a"), command_id=command_id))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not first.done()
            assert not other.done()
        # The first is rejected, for want of money, and leaves the id to the other.
        with pytest.raises(Rejected):
            await first
        assert await other == Receipt(command_id, 1)


async def test_a_repeat_after_its_sender_went_away_finds_the_first_one_under_way() -> None:
    history = GatedHistory(MemoryHistory())
    command_id = uuid4()
    async with node_over(history) as node:
        await node.send(Deposit("a"))
        with history.shut():
            first = asyncio.ensure_future(node.send(Withdraw("a"), command_id=command_id))
            await history.arrived.wait()
            first.cancel()
            again = [asyncio.ensure_future(node.send(Withdraw("a"), command_id=command_id)) for _ in range(2)]
            for _ in range(10):
                await asyncio.sleep(0)
        assert {await receipt for receipt in again} == {Receipt(command_id, 2, repeated=True)}
        assert await check_history(history) == 2


LOST: list[tuple[Fault, type[StoreError]]] = [("stored_unknown", OutcomeUnknown), ("stored_failed", StoreFailed)]


@pytest.mark.parametrize(("fault", "error"), LOST)
async def test_a_repeat_tells_what_became_of_an_append_whose_answer_was_lost(
    fault: Fault, error: type[StoreError]
) -> None:
    history = MemoryHistory()
    async with node_over(RoughHistory(history, [fault])) as node:
        with pytest.raises(error) as caught:
            await node.send(Deposit("a"))
        # The id was made by the node; the error names it, so that it can be asked for.
        again = await node.send(Deposit("a"), command_id=caught.value.command_id)
        assert again == Receipt(caught.value.command_id, 1, repeated=True)
        assert await check_history(history) == 1


async def test_a_repeat_of_an_append_that_failed_is_stored_once() -> None:
    history = MemoryHistory()
    command_id = uuid4()
    async with node_over(RoughHistory(history, ["failed", "failed"])) as node:
        for _ in range(2):
            with pytest.raises(StoreFailed):
                await node.send(Deposit("a"), command_id=command_id)
        assert await node.send(Deposit("a"), command_id=command_id) == Receipt(command_id, 1)
        assert await check_history(history) == 1
