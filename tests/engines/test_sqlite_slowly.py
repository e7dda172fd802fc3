"""On a machine that is so busy that the shortest statement takes longer than it may, all is answered all the same."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from twofold.engines.sqlite import SqliteHistory, SqliteViews, reader
from twofold.read.view import View
from twofold.testing.contracts.making import append_one, command, decided, event, positions
from twofold.testing.contracts.rows import HISTORY, NOTES, Note, everything, key, prepared, put

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second pass between any two looks at the clock, and look at every step."""
    seconds = count()
    monkeypatch.setattr(reader, "time", SimpleNamespace(perf_counter=lambda: float(next(seconds))))
    monkeypatch.setattr(reader, "_STEPS", 1)


async def test_a_history_is_read(tmp_path: Path) -> None:
    sent = command()
    for opening in (1, 2):
        history = SqliteHistory(tmp_path)
        await append_one(history, decided(event(), by=sent))
        await history.changed(0)
        assert (await history.head(), await history.find(sent.scope), await positions(history)) == (1, 1, [1])
        assert len(await history.ledger()) == 1, opening
        await history.close()


async def test_read_models_are_read(tmp_path: Path) -> None:
    for checkpoint in (1, 2):
        store = SqliteViews(tmp_path)
        if checkpoint == 1:
            await prepared(store, NOTES)
        assert await store.prepare(NOTES, HISTORY) == checkpoint - 1
        assert await put(store, NOTES, Note("a"), expected=checkpoint - 1)
        standing = await store.standing(NOTES)
        assert list(await store.standings(NOTES)) == [standing]
        assert [each.checkpoint for each in await store.segments(NOTES)] == [checkpoint]
        assert [each.checkpoint for each in await store.versions(NOTES)] == [checkpoint]
        assert (await store.checkpoint(NOTES), (await store.status(NOTES)).rows) == (checkpoint, 1)
        assert await store.rows_at(NOTES, [key("a")]) == (checkpoint, [NOTES.row(Note("a"))])
        assert await View(store, NOTES).get_many(["a", "b"]) == await everything(store, NOTES) == [Note("a")]
        await store.close()
