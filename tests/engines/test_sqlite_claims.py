"""Ids that are taken for new ones, and are not: `history.db` finds them by its index, at no cost for those that are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from twofold.engines.sqlite import SqliteHistory
from twofold.engines.sqlite import history as engine
from twofold.history.store import Appended, Conflict, Duplicate
from twofold.testing.contracts.making import REJECTED, append, append_one, command, decided, event, on, positions

pytestmark = pytest.mark.anyio


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[SqliteHistory]:
    history = SqliteHistory(tmp_path)
    yield history
    await history.close()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each attempt to settle a batch looked all ids up."""
    moods: list[bool] = []
    settle = engine._settle

    def noted(connection: Any, decisions: Any, *, wary: bool = True) -> Any:
        moods.append(wary)
        return settle(connection, decisions, wary=wary)

    monkeypatch.setattr(engine, "_settle", noted)
    return moods


async def test_new_ids_are_not_looked_up(history: SqliteHistory, looked_up: list[bool]) -> None:
    for _ in range(3):
        await append(history, decided(event()), decided(event()))
    assert looked_up == [False] * 3


async def test_a_repeat_among_new_ones_is_told_and_the_others_are_stored_once(
    history: SqliteHistory, looked_up: list[bool]
) -> None:
    first = decided(event("First"))
    await append_one(history, first)
    outcomes = await append(history, decided(event()), first, decided(event()))
    assert outcomes == [Appended(2, 2), Duplicate(1, same=True), Appended(3, 3)]
    assert await positions(history) == [1, 2, 3]
    assert looked_up == [False, False, True]


async def test_after_a_repeat_ids_are_looked_up_for_a_while(
    history: SqliteHistory, looked_up: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_WARY", 3)
    first = decided(event())
    for decision in (first, first, first, decided(event()), decided(event())):
        await append_one(history, decision)
    assert looked_up == [False, False, True, True, False, False]


async def test_a_repeat_is_told_as_one_where_what_it_rests_on_has_changed(history: SqliteHistory) -> None:
    first = decided(event("Happened", "a:1"), on=on("a:1"))
    await append_one(history, first)
    assert await append(history, first, decided(on=on("a:1"))) == [Duplicate(1, same=True), Conflict(1)]


async def test_the_repeat_of_a_command_that_would_now_be_rejected_is_told_as_one(history: SqliteHistory) -> None:
    by = command()
    await append_one(history, decided(event(), by=by))
    assert await append_one(history, decided(by=by, rejection=REJECTED)) == Duplicate(1, same=True)


async def test_another_command_under_a_used_id_is_told(history: SqliteHistory) -> None:
    by = command()
    await append_one(history, decided(event(), by=by))
    other = command(by.command_id, payload=b'{"other":1}')
    assert await append_one(history, decided(event(), by=other)) == Duplicate(1, same=False)
