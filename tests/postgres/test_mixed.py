"""History on PostgreSQL, read models on SQLite beside each node: each node projects for itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from tests.postgres.catalog import connected_as
from twofold.errors import RoleMissing

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("options", ["", "?notify=off"])
async def test_nodes_with_read_models_of_their_own_see_one_history(
    initialised: Callable[[], str], tmp_path: Path, options: str
) -> None:
    url = initialised() + options
    async with (
        bank.open(url, roles=["write"]) as writer,
        bank.open(url, views=f"sqlite:///{tmp_path}/one", roles=["read", "project"]) as one,
        bank.open(url, views=f"sqlite:///{tmp_path}/other", roles=["read", "project", "http"]) as other,
    ):
        for number in range(1, 11):
            receipt = await writer.send(Deposit("a"))
            for reader in (one, other):
                found = await reader.ask(GetStatement("a"), after=receipt, timeout=30)
                assert found is not None
                assert found.balance == number
    assert (tmp_path / "one" / "views.db").is_file()
    assert (tmp_path / "other" / "views.db").is_file()


async def test_a_node_connects_only_as_the_roles_that_it_needs(initialised: Callable[[], str], tmp_path: Path) -> None:
    url = initialised()
    async with bank.open(url, roles=["write"]) as node:
        await node.send(Deposit("a"))
        await connected_as(url, {"writer"})
    async with bank.open(url, views=f"sqlite:///{tmp_path}", roles=["project", "read"]) as node:
        await node.caught_up()
        await connected_as(url, {"projector"})
    # What is projected elsewhere is read elsewhere: nothing connects to the database.
    async with bank.open(url, views=f"sqlite:///{tmp_path}", roles=["read"]) as node:
        assert await node.ask(GetStatement("a")) is not None
        await connected_as(url, set())
        with pytest.raises(RoleMissing, match="leaves out 'project'"):
            _ = node.history
