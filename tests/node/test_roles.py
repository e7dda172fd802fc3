"""A node runs the sides that its roles name; it can be closed twice and entered again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.bank import Deposit, GetStatement, Withdraw, bank
from tests.faults.stored import rows_of
from twofold import Rejected
from twofold.errors import InvalidAddress, NodeClosed, NotFresh, RoleMissing

pytestmark = pytest.mark.anyio


async def test_each_role_does_its_part_and_refuses_the_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as writer:
        receipt = await writer.send(Deposit("a"))
        with pytest.raises(RoleMissing, match="leaves out 'read'"):
            await writer.ask(GetStatement("a"))
        assert not (tmp_path / "views.db").exists(), "a node that only writes has opened the read models"
        async with bank.open(url, roles=["read"]) as reader:
            with pytest.raises(RoleMissing, match="leaves out 'write'"):
                await reader.send(Deposit("a"))
            with pytest.raises(NotFresh, match="still being built"):
                await reader.ask(GetStatement("a"), after=receipt, timeout=0.01)
            async with bank.open(url, roles=["project"]) as projector:
                with pytest.raises(RoleMissing):
                    await projector.ask(GetStatement("a"))
                found = await reader.ask(GetStatement("a"), after=receipt)
                assert found is not None
                assert found.balance == 1
    assert [row[0] for row in rows_of(tmp_path)] == ["a"]


@pytest.mark.parametrize("roles", [[], ["cook"], ["write", "cook"]])
async def test_roles_that_there_are_not_are_refused(roles: list[str]) -> None:
    with pytest.raises(InvalidAddress, match="roles are some of"):
        bank.open("memory:", roles=roles)  # type: ignore[arg-type]


async def test_a_node_may_be_closed_twice_and_entered_again(tmp_path: Path) -> None:
    node = bank.open(f"sqlite:///{tmp_path}")
    for round_ in range(3):
        async with node:
            receipt = await node.send(Deposit("a"))
            found = await node.ask(GetStatement("a"), after=receipt)
            assert found is not None
            assert found.balance == round_ + 1
            assert node._parts.projecting is not None
            assert len(node._parts.projecting.projectors) == 1
            with pytest.raises(Rejected):
                await node.send(Withdraw("a", 99))
        await node.close()
        with pytest.raises(NodeClosed):
            await node.ask(GetStatement("a"))
        with pytest.raises(NodeClosed):
            await node.models()
        with pytest.raises(NodeClosed):
            _ = node.history


async def test_views_may_lie_elsewhere_than_the_history(tmp_path: Path) -> None:
    async with bank.open(f"sqlite:///{tmp_path / 'one'}", views=f"sqlite:///{tmp_path / 'other'}") as node:
        await node.send(Deposit("a"))
        await node.caught_up()
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["history.db"]
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["views.db"]
    async with bank.open(f"sqlite:///{tmp_path / 'one'}", views="memory:") as node:
        await node.caught_up()
        assert await node.ask(GetStatement("a")) is not None


async def test_the_status_of_read_models_tells_rows_checkpoint_and_lag(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url) as node:
        await node.send(Deposit("a"))
        await node.caught_up()
    async with bank.open(url, roles=["write"]) as node:
        await node.send(Deposit("b"))
    async with bank.open(url, roles=["read"]) as node:
        (status,) = await node.models()
    assert (status.name, status.rows, status.checkpoint, status.head, status.lag) == ("Statement", 1, 1, 2, 1)
    assert (status.live, status.parked, status.problem) == (True, 0, None)
