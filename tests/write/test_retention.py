"""How long the ledger keeps what: removed in the background, by the node's clock, and never a claim before its time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.bank import Deposit, Withdraw, bank
from tests.faults.nodes import node_over
from tests.faults.rough_history import RoughHistory
from twofold import Node, Receipt, Rejected
from twofold.engines.memory import MemoryHistory
from twofold.errors import CommandIdReused, InvalidSetting, StoreFailed
from twofold.history.ledger import LedgerEntry, Prunable
from twofold.write import retention
from twofold.write.retention import Keeping, Retention

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


class Clock:
    """Both the database's clock and the node's, set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Aged:
    """A node over a history whose clock is set by hand."""

    def __init__(self, ledger: Keeping, repeats: timedelta | None = None) -> None:
        self.clock = Clock()
        self.history = MemoryHistory(self.clock)
        self.node = node_over(self.history)
        self.retention = Retention(ledger, repeats)
        self.node._parts.retention = self.retention
        self.node._parts.now = self.clock

    async def decide(self) -> Receipt:
        """Decide one that is accepted and one that is not."""
        receipt = await self.node.send(Deposit("a"), command_id=uuid4())
        with pytest.raises(Rejected):
            await self.node.send(Withdraw("a", 99))
        return receipt

    async def after(self, age: timedelta) -> list[LedgerEntry]:
        """Let time pass, and sweep; return what is left, the oldest first."""
        self.clock.now += age
        await self.retention.sweep(self.history, self.clock())
        return [entry async for entry in self.node.ledger(newest=False)]


def told(entries: list[LedgerEntry]) -> list[tuple[str, bool]]:
    return [(entry.outcome, entry.payload is not None) for entry in entries]


async def test_all_is_kept_for_ever() -> None:
    aged = Aged("all", repeats=DAY)
    async with aged.node:
        await aged.decide()
        assert told(await aged.after(10_000 * DAY)) == [("accepted", True), ("rejected", True)]


async def test_only_keys_are_even_written() -> None:
    aged = Aged("keys")
    async with aged.node:
        first = await aged.decide()
        entries = [entry async for entry in aged.node.ledger()]
        assert [(each.payload, each.tags, each.reason) for each in entries] == [(None, (), None)] * 2
        assert [each.code for each in entries] == ["too_little", None]
        assert told(await aged.after(10_000 * DAY)) == [("accepted", False), ("rejected", False)]
        await check_repeat(aged.node, first)


async def test_what_was_written_when_all_was_kept_goes_with_the_setting() -> None:
    aged = Aged("all")
    async with aged.node:
        await aged.decide()
        aged.retention = Retention("keys")
        assert told(await aged.after(timedelta(seconds=1))) == [("accepted", False), ("rejected", False)]


async def test_entries_are_kept_for_so_long_and_claims_for_ever() -> None:
    aged = Aged(30 * DAY)
    async with aged.node:
        first = await aged.decide()
        assert told(await aged.after(29 * DAY)) == [("accepted", True), ("rejected", True)]
        await aged.decide()
        left = await aged.after(2 * DAY)
        assert told(left) == [("accepted", False), ("accepted", True), ("rejected", True)]
        left = await aged.after(10_000 * DAY)
        assert [each.outcome for each in left] == ["accepted", "accepted", "rejected"]
        await check_repeat(aged.node, first)


async def test_a_claim_is_remembered_for_as_long_as_is_asked_for() -> None:
    aged = Aged(DAY, repeats=30 * DAY)
    async with aged.node:
        first = await aged.decide()
        await aged.after(29 * DAY)
        await check_repeat(aged.node, first)
        await aged.after(2 * DAY)
        again = await aged.node.send(Deposit("a"), command_id=first.command_id)
        assert (again.repeated, again.position) == (False, 2)


async def test_a_claim_is_never_forgotten_before_its_entry() -> None:
    aged = Aged(30 * DAY, repeats=DAY)
    async with aged.node:
        first = await aged.decide()
        assert told(await aged.after(29 * DAY)) == [("accepted", True), ("rejected", True)]
        await check_repeat(aged.node, first)


async def check_repeat(node: Node, first: Receipt) -> None:
    again = await node.send(Deposit("a"), command_id=first.command_id)
    assert again == Receipt(first.command_id, first.position, repeated=True)
    with pytest.raises(CommandIdReused):
        await node.send(Deposit("a", 7), command_id=first.command_id)


async def test_the_node_does_it_by_itself(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as node:
        with pytest.raises(Rejected):
            await node.send(Withdraw("canary-of-a-rejected-command", 5))
        await node.send(Deposit("a"))
    assert b"canary" in (tmp_path / "history.db").read_bytes()
    async with bank.open(url, roles=["write"], ledger="keys") as node:
        async with asyncio.timeout(30):
            while [entry.payload async for entry in node.ledger()] != [None, None]:
                await asyncio.sleep(0.01)
    # It is overwritten, not only out of reach.
    assert b"canary" not in (tmp_path / "history.db").read_bytes()


async def test_it_goes_on_after_the_storage_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_OFTEN", 0.001)
    monkeypatch.setattr(retention, "_SELDOM", 0.001)

    class Failing(RoughHistory):
        failures = 3

        async def prune(self, what: Prunable, before: datetime, *, after: int = 0, limit: int = 500) -> int | None:
            self.failures -= 1
            if self.failures >= 0:
                raise StoreFailed(path="rough", problem="it failed")
            return await super().prune(what, before, after=after, limit=limit)

    history = Failing(MemoryHistory())
    node = node_over(history)
    node._parts.retention = Retention("keys")
    async with node:
        async with asyncio.timeout(30):
            while history.failures >= 0:
                await asyncio.sleep(0.001)


async def test_commands_go_on_between_the_batches(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as node:
        for _ in range(30):
            await asyncio.gather(*(node.send(Deposit(f"a{n}")) for n in range(100)))
        sweep = asyncio.create_task(Retention("keys").sweep(node.history, datetime.now(UTC)))
        decided = 0
        while not sweep.done():
            await node.send(Deposit("a"))
            decided += 1
        assert await sweep >= 6
        assert decided >= 6


@pytest.mark.parametrize(
    "settings",
    [
        {"ledger": "some"}, {"ledger": None}, {"ledger": 30}, {"ledger": timedelta(seconds=1)}, {"ledger": -DAY},
        {"repeats": "all"}, {"repeats": timedelta(0)}, {"repeats": 5},
    ],
)  # fmt: skip
async def test_settings_that_cannot_be_used_are_refused_before_anything_is_made(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        bank.open(f"sqlite:///{tmp_path}/new", **settings)
    assert caught.value.setting in settings
    assert not (tmp_path / "new").exists()


class ForgetsEarly(Retention):
    """Forgets claims when it forgets entries."""

    def __init__(self) -> None:
        super().__init__(DAY, 30 * DAY)
        self._ages = [(what, DAY) for what, _ in self._ages]


async def test_a_claim_that_is_forgotten_early_is_found() -> None:
    aged = Aged(DAY, repeats=30 * DAY)
    aged.retention = ForgetsEarly()
    async with aged.node:
        first = await aged.decide()
        await aged.after(29 * DAY)
        with pytest.raises(AssertionError):
            await check_repeat(aged.node, first)
