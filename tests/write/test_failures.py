"""A handler that fails leaves an entry in the ledger, which tells the incident and nothing else, and claims no id."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import apsw
import pytest

from tests.faults.bank import Deposit, Withdraw, bank
from tests.faults.nodes import node_over
from tests.faults.rough_history import GatedHistory, RoughHistory
from twofold import App, Command, Event, Receipt, Rejected, Tag, WriteModel
from twofold.engines.memory import MemoryHistory
from twofold.errors import Contended, HandlerFailed, StoreFailed
from twofold.history.store import Conflict, Decision
from twofold.write import decide

pytestmark = pytest.mark.anyio

SECRET = "the secret in an error's text"


class Try(Command):
    name: Annotated[str, Tag("thing")]
    secret: str = ""


class Tried(Event):
    name: Annotated[str, Tag("thing")]


class Thing(WriteModel, tag="thing"):
    tried: int = 0

    def evolve(self, event: Tried) -> None:
        self.tried += 1


app = App("failures")


@app.command
def try_(command: Try, thing: Thing) -> Tried:
    if command.secret:
        raise RuntimeError(command.secret)
    if thing.tried:
        raise LookupError("it cannot be tried twice")
    return Tried(command.name)


def ledger(folder: Path) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(folder / "history.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(
            "SELECT type, outcome, code, reason, first, position, attempts FROM ledger ORDER BY entry"
        ).fetchall()
    finally:
        connection.close()


async def test_a_failure_is_kept_with_its_incident_and_not_with_its_text(tmp_path: Path) -> None:
    async with app.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        await node.send(Try("a"))
        with pytest.raises(HandlerFailed) as caught:
            await node.send(Try("b", SECRET))
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert await node.history.head() == 1
    assert UUID(caught.value.incident)
    assert ledger(tmp_path) == [
        ("Try", "accepted", None, None, 1, 1, 1),
        ("Try", "failed", "handler_failed", caught.value.incident, 2, 1, 1),
    ]


async def test_a_failure_leaves_no_claim_on_its_id(tmp_path: Path) -> None:
    command_id = uuid4()
    async with app.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        for _ in range(2):
            with pytest.raises(HandlerFailed):
                await node.send(Try("a", SECRET), command_id=command_id)
        assert await node.send(Try("a"), command_id=command_id) == Receipt(command_id, 1)
        # Accepted now: whatever its handler makes of what came of it.
        assert await node.send(Try("a"), command_id=command_id) == Receipt(command_id, 1, repeated=True)
    assert [outcome for _, outcome, *_ in ledger(tmp_path)] == ["failed", "failed", "accepted"]


async def test_failures_and_rejections_cost_no_transaction_of_their_own() -> None:
    gated = GatedHistory(MemoryHistory())
    async with node_over(gated) as node:
        with gated.shut():
            first = asyncio.ensure_future(node.send(Deposit("a")))
            await gated.arrived.wait()
            others = [asyncio.ensure_future(node.send(Withdraw("b"))) for _ in range(10)]
            others += [asyncio.ensure_future(node.send(Deposit("b"))) for _ in range(10)]
            for _ in range(20):
                await asyncio.sleep(0)
        await asyncio.gather(first, *others, return_exceptions=True)
    assert gated.batches == [1, 20]


async def test_a_failure_whose_entry_cannot_be_stored_is_told_as_that() -> None:
    history = RoughHistory(MemoryHistory(), ["failed"])
    node = app.open("memory:", roles=["write"])
    node._parts.open_history = lambda: history
    async with node:
        with pytest.raises(StoreFailed):
            await node.send(Try("a", SECRET))
        with pytest.raises(HandlerFailed):
            await node.send(Try("a", SECRET))


async def test_a_command_that_others_always_beat_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "_ATTEMPTS", 3)
    async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        append = node.history.append

        async def beaten(decisions: list[Decision]) -> Any:
            if any(decision.events for decision in decisions):
                return [Conflict(0) for _ in decisions]
            return await append(decisions)

        monkeypatch.setattr(node.history, "append", beaten)
        with pytest.raises(Contended):
            await node.send(Deposit("a"))
    assert ledger(tmp_path) == [("Deposit", "failed", "contended", None, 1, 0, 3)]


async def test_attempts_and_time_are_counted_from_the_sending(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}"
    async with bank.open(url, roles=["write"]) as one, bank.open(url, roles=["write"]) as other:
        await one.send(Deposit("a"))
        await other.send(Deposit("a"))
        await one.send(Deposit("a"))
        with pytest.raises(Rejected):
            await other.send(Withdraw("a", 9))
    connection = apsw.Connection(str(tmp_path / "history.db"))
    rows = connection.execute("SELECT attempts, elapsed > 0 FROM ledger ORDER BY entry").fetchall()
    connection.close()
    assert rows == [(1, 1), (2, 1), (2, 1), (2, 1)]
