"""Rebuilds on a database that several nodes share: one at a time, while whoever projects goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from twofold import Rebuilt
from twofold.errors import CannotRebuild

pytestmark = pytest.mark.anyio


async def test_of_two_nodes_that_rebuild_at_once_one_goes_on_at_least_and_the_other_says_why_not(
    initialised: Callable[[], str],
) -> None:
    url = initialised()
    async with bank.open(url) as one, bank.open(url) as other:
        await asyncio.gather(*(one.send(Deposit(f"account-{n}")) for n in range(50)))
        await other.caught_up()
        ended = await asyncio.gather(*(node.rebuild("Statement") for node in (one, other)), return_exceptions=True)
        # One may have ended before the other began.
        assert any(isinstance(each, Rebuilt) for each in ended), ended
        for refused in (each for each in ended if not isinstance(each, Rebuilt)):
            assert isinstance(refused, CannotRebuild)
            assert "rebuilding it" in str(refused) or "meanwhile" in str(refused)
        # Both go on with what was exchanged.
        receipt = await other.send(Deposit("account-0", 5))
        for node in (one, other):
            statement = await node.ask(GetStatement("account-0"), after=receipt, timeout=30)
            assert statement is not None
            assert statement.balance == 6
        for undo in (True, False):
            assert (await other.rebuild("Statement", undo=undo)).rows == 50
        assert (await one.verify("Statement")).differences == []


async def test_a_rebuild_that_is_held_by_another_node_is_refused_with_its_name(initialised: Callable[[], str]) -> None:
    async with bank.open(initialised()) as node:
        await node.send(Deposit("a"))
        await node.caught_up()
        table = next(table for table in bank.tables.values() if table.name == "Statement")
        assert node._parts.views is not None
        await node._parts.views.begin_spare(table, node.history.id)
        await node._parts.views.claim(table.spare, "somebody else", 3600)
        with pytest.raises(CannotRebuild, match="somebody else is rebuilding it"):
            await node.rebuild("Statement")
        await node._parts.views.release(table.spare, "somebody else")
        assert (await node.rebuild("Statement")).rows == 1
