"""Who waits on one node is told of to the nodes that project, which then wait for no more events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from examples.profiles.app import GetProfile, RegisterUser, app

from twofold.clock import new_uuid
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.views import PostgresViews
from twofold.errors import NotFresh
from twofold.node import Node
from twofold.read import projector
from twofold.read.freshness import Freshness

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Projections wait for more events as long as nobody waits for them."""
    for name in ("_LINGER", "_LINGER_BUSY"):
        monkeypatch.setattr(projector, name, 3600.0)


async def hearing(node: Node) -> None:
    """Return when a node hears the others; a hint that comes before is lost."""
    assert isinstance(node._parts.views, PostgresViews)
    while not node._parts.views._listener.listens:
        await asyncio.sleep(0.005)


async def waiting(node: Node) -> None:
    """Return when its projection has stored a batch, looked at the head, and waits: it lets the next batch grow."""
    assert isinstance(node.history, PostgresHistory)
    while not node.history._moved._waiters:
        await asyncio.sleep(0.005)


async def name_seen_elsewhere(url: str, timeout: float) -> str | None:
    """Return the name that one node sees after another one gave it, while a third one projects."""
    user = new_uuid()
    async with (
        app.open(url, roles=["write"]) as writer,
        app.open(url, roles=["project"]) as projecting,
        app.open(url, roles=["read"]) as reader,
    ):
        await hearing(projecting)
        await waiting(projecting)
        receipt = await writer.send(RegisterUser(user, "Ada"))
        found = await reader.ask(GetProfile(user), after=receipt, timeout=timeout)
        return found.name if found else None


async def test_who_waits_on_another_node_does_not_wait_for_more_events(initialised: Callable[[], str]) -> None:
    assert await name_seen_elsewhere(initialised(), 60) == "Ada"


async def test_control_without_the_hint_it_waits(
    initialised: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Freshness, "_hurry", lambda *_: None)
    with pytest.raises(NotFresh):
        await name_seen_elsewhere(initialised(), 0.5)
