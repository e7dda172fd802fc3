"""A history of an older schema is brought to this one when it is opened: in one transaction, and nothing is lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import apsw
import pytest

from tests.faults.bank import Deposit, Glance, Move, Withdraw, bank
from twofold import Principal, Receipt, Rejected
from twofold.engines.sqlite import SqliteHistory, history
from twofold.errors import CommandIdReused

pytestmark = pytest.mark.anyio

TO_1 = """
BEGIN;
ALTER TABLE ledger RENAME TO ledger_2;
DROP INDEX ledger_decided_once;
CREATE TABLE ledger (
    entry          INTEGER PRIMARY KEY,
    tenant         TEXT    NOT NULL,
    principal      TEXT    NOT NULL,
    command_id     BLOB    NOT NULL,
    type           TEXT    NOT NULL,
    payload        TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    reason         TEXT,
    position       INTEGER NOT NULL,
    correlation_id BLOB,
    causation_id   BLOB,
    recorded_at    INTEGER NOT NULL
);
CREATE UNIQUE INDEX ledger_decided_once ON ledger (tenant, principal, command_id) WHERE outcome = 'accepted';
INSERT INTO ledger
SELECT entry, tenant, principal, command_id, type, payload, iif(code IS NULL, outcome, 'rejected:' || code), reason,
       position, correlation_id, causation_id, recorded_at
FROM ledger_2 ORDER BY entry;
DROP TABLE ledger_2;
PRAGMA user_version = 1;
COMMIT;
"""
IDS = [uuid4() for _ in range(4)]


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(folder / "history.db"))
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.fixture
async def before(tmp_path: Path) -> Sequence[tuple[Any, ...]]:
    """A history of schema version 1 with accepted and rejected commands; gives its ledger as it was in version 2."""
    async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        await node.send(Deposit("a", 3), command_id=IDS[0], principal=Principal("ada"))
        await node.send(Deposit("b", 3), command_id=IDS[0], principal=Principal("bob"))
        await node.send(Move("a", "b", 2), command_id=IDS[1], correlation_id=UUID(int=5), causation_id=UUID(int=6))
        with pytest.raises(Rejected):
            await node.send(Withdraw("a", 9), command_id=IDS[2])
        await node.send(Glance("a"), command_id=IDS[3])
    kept = rows(tmp_path, "SELECT * FROM ledger ORDER BY entry")
    rows(tmp_path, TO_1)
    assert rows(tmp_path, "PRAGMA user_version") == [(1,)]
    return kept


async def test_every_entry_is_kept_with_what_can_be_known_of_it(
    tmp_path: Path, before: Sequence[tuple[Any, ...]]
) -> None:
    await SqliteHistory(tmp_path).close()
    after = rows(tmp_path, "SELECT * FROM ledger ORDER BY entry")
    # Tags, attempts and times were not stored.
    known = [(*row[:7], "[]", *row[8:15], 1, 0, row[17]) for row in before]
    assert after == known
    assert len(after) == 5
    assert {row[6] for row in after} >= {hashlib.sha256(b"Glance\0" + str(after[-1][5]).encode()).digest()}


async def test_the_schema_is_that_of_a_new_file(tmp_path: Path, before: Sequence[tuple[Any, ...]]) -> None:
    await SqliteHistory(tmp_path).close()
    await SqliteHistory(tmp_path / "new").close()
    schema = "SELECT type, name, replace(sql, '\"ledger\"', 'ledger') FROM sqlite_schema ORDER BY name"
    assert rows(tmp_path, schema) == rows(tmp_path / "new", schema)
    assert rows(tmp_path, "PRAGMA user_version") == [(2,)]


async def test_repeats_are_told_as_before(tmp_path: Path, before: Sequence[tuple[Any, ...]]) -> None:
    async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
        again = await node.send(Deposit("a", 3), command_id=IDS[0], principal=Principal("ada"))
        assert again == Receipt(IDS[0], 1, repeated=True)
        with pytest.raises(CommandIdReused):
            await node.send(Deposit("a", 4), command_id=IDS[1])
        assert (await node.send(Deposit("a", 4), command_id=IDS[2])).position == 5


async def test_it_happens_once_however_many_open_the_file(tmp_path: Path, before: Sequence[tuple[Any, ...]]) -> None:
    def open_and_close() -> None:
        async def work() -> None:
            await SqliteHistory(tmp_path).close()

        asyncio.run(work())

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(open_and_close) for _ in range(4)]:
            done.result()
    assert len(rows(tmp_path, "SELECT * FROM ledger")) == len(before)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, before: Sequence[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(type_: str, payload: str) -> bytes:
        if type_ == "Glance":
            raise ZeroDivisionError
        return b""

    schema, ledger = "SELECT * FROM sqlite_schema ORDER BY name", "SELECT * FROM ledger ORDER BY entry"
    was = [rows(tmp_path, sql) for sql in (schema, ledger)]
    monkeypatch.setattr(history, "_fingerprint", fails)
    with pytest.raises(ZeroDivisionError):
        SqliteHistory(tmp_path)
    assert [rows(tmp_path, sql) for sql in (schema, ledger)] == was
    assert rows(tmp_path, "PRAGMA user_version") == [(1,)]
    monkeypatch.undo()
    await SqliteHistory(tmp_path).close()
    assert len(rows(tmp_path, ledger)) == len(before)
