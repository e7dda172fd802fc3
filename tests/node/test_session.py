"""A session reads its own writes: in one node, in another one, with and without an event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from twofold import Node, Receipt, Session
from twofold.engines.memory import MemoryViews
from twofold.errors import NotFresh
from twofold.read.store import Advance
from twofold.read.table import Table

pytestmark = pytest.mark.anyio


async def balance(session: Session, account: str) -> int:
    found = await session.ask(GetStatement(account))
    return 0 if found is None else found.balance


async def test_a_session_shows_what_was_sent_through_it(tmp_path: Path) -> None:
    async def one(session: Session, account: str) -> None:
        for number in range(1, 20):
            assert isinstance(await session.send(Deposit(account)), Receipt)
            assert await balance(session, account) == number

    async with bank.open(f"sqlite:///{tmp_path}") as node:
        shared = node.session()
        await asyncio.gather(*(one(session, f"a{n}") for n, session in enumerate((shared, shared, node.session()))))
        assert 38 <= shared.position <= await node.history.head() == 57


async def test_a_position_never_goes_back() -> None:
    async with bank.open("memory:") as node:
        early = await node.send(Deposit("a"))
        session = node.session(after=await node.send(Deposit("a")))
        assert session.position == 2
        again = await session.send(Deposit("a"), command_id=early.command_id)
        assert (again.position, again.repeated, session.position) == (1, True, 2)


async def test_a_session_goes_on_in_another_node(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as writer, bank.open(url, roles=["read"]) as reader:
        async with writer.session() as session:
            await session.send(Deposit("a"))
        with pytest.raises(NotFresh):
            # Nobody projects.
            await reader.session(after=session.position).ask(GetStatement("a"), timeout=0.01)
        async with bank.open(url, roles=["project"]):
            assert await balance(reader.session(after=session.position), "a") == 1


async def test_more_than_the_session_has_may_be_asked_for() -> None:
    async with bank.open("memory:") as node:
        session = node.session()
        await session.send(Deposit("a"))
        receipt = await node.send(Deposit("a"))
        found = await session.ask(GetStatement("a"), after=receipt)
        assert found is not None
        assert (found.balance, session.position) == (2, 1)


class Gated(MemoryViews):
    """Stores batches while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply(self, table: Table[Any], advance: Advance) -> bool:
        await self.gate.wait()
        return await super().apply(table, advance)


async def test_a_session_without_its_position_would_be_found_out() -> None:
    """Planted: a session that asks as anybody does reads what is there, and that may be before its own write."""

    class Forgetful(Session):
        def _after(self, after: Receipt | int | None) -> int:
            return 0

    async def missed(session: Session, node: Node) -> bool:
        await session.send(Deposit("a"))
        return await balance(session, "a") != await node.history.head()

    views = Gated()
    node = bank.open("memory:")
    node._parts.open_views = lambda: views
    async with node:
        assert not any([await missed(node.session(), node) for _ in range(20)])
        # Else it may have been projected by the time that it is asked for.
        views.gate.clear()
        assert await missed(Forgetful(node), node)
        views.gate.set()


def test_a_session_without_an_event_loop(tmp_path: Path) -> None:
    with bank.open(f"sqlite:///{tmp_path}").sync as node:
        with node.session() as session:
            for number in range(1, 10):
                session.send(Deposit("a"))
                found = session.ask(GetStatement("a"))
                assert found is not None
                assert found.balance == number
            assert session.answer(GetStatement("a")).position == session.position == 9
        assert node.session(after=session.position).position == 9
