"""A rejection is checked like any other decision: what makes the command acceptable has been seen."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import apsw
import pytest

from tests.faults.bank import Deposit, Move, Withdraw, bank
from tests.faults.nodes import check_cache, check_history, node_over, several
from tests.faults.rough_history import GatedHistory, RoughHistory
from twofold import Receipt, Rejected
from twofold.engines.memory import MemoryHistory
from twofold.errors import StoreFailed

pytestmark = pytest.mark.anyio


async def test_another_nodes_event_that_makes_a_command_acceptable_has_been_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as one, bank.open(url, roles=["write"]) as other:
        for turn in range(10):
            with pytest.raises(Rejected):
                await one.send(Withdraw("a"))
            await other.send(Deposit("a"))
            # One keeps the account without the deposit; a rejection now would be stale.
            assert (await one.send(Withdraw("a"))).position == 2 * turn + 2
        await check_cache(one, one.history)


async def test_another_nodes_event_that_makes_a_command_unacceptable_has_been_seen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as one, bank.open(url, roles=["write"]) as other:
        for _ in range(5):
            await one.send(Deposit("a"))
            await other.send(Withdraw("a"))
            with pytest.raises(Rejected):
                await one.send(Withdraw("a"))
        assert await check_history(one.history) == 10


async def test_a_rejection_that_rested_on_what_did_not_come_is_decided_again() -> None:
    gated = GatedHistory(MemoryHistory())
    async with node_over(gated) as one, node_over(RoughHistory(gated.real)) as other:
        await one.send(Deposit("a"))
        with gated.shut():
            taken = await several(one, Move("a", "b"))
            late = await several(one, Withdraw("a"), Withdraw("b"))
            await other.send(Deposit("a"))
        # The move is decided again, on two. Who was to be rejected because of the first move may not be told so.
        move, from_a, _ = await asyncio.gather(*taken, *late, return_exceptions=True)
        assert isinstance(move, Receipt)
        assert isinstance(from_a, Receipt)
        await check_history(gated, gated.rejections)


async def test_a_rejection_that_rested_on_an_append_that_failed_is_decided_again() -> None:
    gated = GatedHistory(MemoryHistory(), ["failed"])
    async with node_over(gated) as node:
        with gated.shut():
            taken = await several(node, Deposit("a"))
            late = await several(node, Withdraw("a"), Withdraw("a"))
        answers = await asyncio.gather(*taken, *late, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreFailed, Rejected, Rejected]
        assert gated.rejections == [("a:0", 0), ("a:0", 0)]
        await check_cache(node, gated)


async def test_a_rejection_is_told_only_when_it_is_in_the_ledger() -> None:
    gated = GatedHistory(MemoryHistory(), ["failed"])
    async with node_over(gated) as node:
        with pytest.raises(StoreFailed):
            await node.send(Withdraw("a"))
        assert gated.rejections == []
        with pytest.raises(Rejected):
            await node.send(Withdraw("a"))
        assert gated.rejections == [("a:0", 0)]


async def test_the_ledger_keeps_accepted_and_rejected_commands(tmp_path: Path) -> None:
    async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        await node.send(Deposit("a"))
        with pytest.raises(Rejected):
            await node.send(Withdraw("a", 2))
        await node.send(Withdraw("a"))
    ledger = apsw.Connection(str(tmp_path / "history.db"), flags=apsw.SQLITE_OPEN_READONLY)
    rows = ledger.execute("SELECT type, outcome, code, reason, first, position FROM ledger ORDER BY entry").fetchall()
    ledger.close()
    assert rows == [
        ("Deposit", "accepted", None, None, 1, 1),
        ("Withdraw", "rejected", "too_little", "a:1", 2, 1),
        ("Withdraw", "accepted", None, None, 2, 2),
    ]


async def test_a_rejection_is_gone_when_nobody_holds_it_without_a_garbage_collection() -> None:
    async with bank.open("memory:", roles=["write"]) as node:
        gc.disable()
        try:
            told: list[weakref.ref[Rejected]] = []
            for _ in range(3):
                try:
                    await node.send(Withdraw("a"))
                except Rejected as rejected:
                    told.append(weakref.ref(rejected))
            assert [each() for each in told] == [None] * 3
        finally:
            gc.enable()
