"""`node.ledger` and `node.causation`: who sent what, what came of it, and what caused what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.bank import Deposit, Glance, Move, Withdraw, bank
from twofold import Causation, Node, Principal, Rejected
from twofold.errors import NodeClosed, RoleMissing
from twofold.history.ledger import LedgerEntry

pytestmark = pytest.mark.anyio


URLS: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "memory": lambda request: "memory:",
    "sqlite": lambda request: f"sqlite:///{request.getfixturevalue('tmp_path')}",
    "postgres": lambda request: str(request.getfixturevalue("initialised")()),
}


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest) -> str:
    return URLS[request.param](request)


@pytest.fixture
async def node(url: str) -> AsyncIterator[Node]:
    async with bank.open(url, roles=["write"]) as node:
        yield node


async def found(node: Node, **wanted: Any) -> list[LedgerEntry]:
    return [entry async for entry in node.ledger(**wanted)]


async def test_every_command_is_found_by_what_is_known_of_it(node: Node) -> None:
    ada, bob = Principal("ada"), Principal("bob")
    first = await node.send(Deposit("a", 3), principal=ada)
    with pytest.raises(Rejected):
        await node.send(Withdraw("a", 9), principal=bob)
    moved = await node.send(Move("a", "b", 2), principal=bob)

    entries = await found(node)
    assert [(each.type, each.principal, each.outcome) for each in entries] == [
        ("Move", "bob", "accepted"), ("Withdraw", "bob", "rejected"), ("Deposit", "ada", "accepted"),
    ]  # fmt: skip
    assert [each.tags for each in entries] == [("account:a", "account:b"), ("account:a",), ("account:a",)]
    assert [(each.first, each.last) for each in entries] == [(2, 3), (2, 1), (1, 1)]
    assert entries[2].payload == b'{"account":"a","amount":3}'
    assert entries[1].code == "too_little"
    assert all(each.attempts == 1 and each.elapsed > 0 for each in entries)

    async def types(**wanted: Any) -> list[str]:
        return [each.type for each in await found(node, **wanted)]

    assert await types(command=Deposit) == await types(command="Deposit") == ["Deposit"]
    assert await types(command_id=first.command_id) == ["Deposit"]
    assert await types(principal="bob") == ["Move", "Withdraw"]
    assert await types(tags=["account:a", "account:b"]) == ["Move"]
    assert await types(outcome="rejected") == ["Withdraw"]
    assert (
        await types(position=2) == await types(position=3) == await types(correlation_id=moved.command_id) == ["Move"]
    )
    now = datetime.now(UTC)
    assert len(await types(since=now - timedelta(hours=1), until=now + timedelta(hours=1))) == 3
    assert await types(since=now + timedelta(hours=1)) == []
    assert await types(newest=False, limit=2) == ["Deposit", "Withdraw"]
    assert await types(newest=False, after=entries[2].entry) == ["Withdraw", "Move"]
    assert await types(after=entries[1].entry) == ["Deposit"]


async def test_more_than_a_page_is_read_page_by_page(node: Node) -> None:
    for _ in range(450):
        await node.send(Glance("a"))
    assert len(await found(node)) == 450
    assert len(await found(node, limit=201)) == 201
    entries = [each.entry for each in await found(node, newest=False)]
    assert entries == sorted(set(entries))


def names(tree: Causation) -> Any:
    return [tree.command.type, [event.position for event in tree.events], *map(names, tree.caused)]


async def test_a_chain_of_causation_is_told_whole_from_anywhere_in_it(node: Node) -> None:
    first = await node.send(Deposit("a", 5))
    [event] = [event async for event in node.events()]
    whole = first.command_id
    # By an event of the first; by the second itself; one that was rejected; and one that has nothing to do with them.
    second = await node.send(Move("a", "b", 1), causation_id=event.id, correlation_id=whole)
    third = await node.send(Withdraw("b"), causation_id=second.command_id, correlation_id=whole)
    with pytest.raises(Rejected):
        await node.send(Withdraw("b", 9), causation_id=first.command_id, correlation_id=whole)
    await node.send(Deposit("c"))
    expected = ["Deposit", [1], ["Withdraw", []], ["Move", [2, 3], ["Withdraw", [4]]]]
    for receipt in (first, second, third):
        tree = await node.causation(receipt.command_id)
        assert tree is not None
        assert names(tree) == expected
    assert await node.causation(uuid4()) is None


async def test_a_cause_that_is_not_known_begins_the_chain(node: Node) -> None:
    receipt = await node.send(Deposit("a"), causation_id=uuid4())
    tree = await node.causation(receipt.command_id)
    assert tree is not None
    assert names(tree) == ["Deposit", [1]]


async def test_causes_that_go_in_a_circle_come_to_an_end(node: Node) -> None:
    one, other = uuid4(), uuid4()
    await node.send(Deposit("a"), command_id=one, causation_id=other)
    await node.send(Deposit("a"), command_id=other, causation_id=one)
    tree = await node.causation(one)
    assert tree is not None
    assert len(tree.caused) == 1


async def test_a_command_that_was_never_accepted_has_a_chain_too(node: Node) -> None:
    command_id = uuid4()
    for _ in range(2):
        with pytest.raises(Rejected):
            await node.send(Withdraw("a"), command_id=command_id)
    tree = await node.causation(command_id)
    assert tree is not None
    assert names(tree) == ["Withdraw", []]


async def test_the_ledger_is_for_nodes_that_write(tmp_path: Path) -> None:
    async with bank.open(f"sqlite:///{tmp_path}", roles=["read", "project"]) as node:
        with pytest.raises(RoleMissing):
            await found(node)
        with pytest.raises(RoleMissing):
            await node.causation(uuid4())
    with pytest.raises(NodeClosed):
        await found(bank.open("memory:"))
