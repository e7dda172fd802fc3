"""What the files are opened with: durable commits, and connections for queries that cannot write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from tests.faults.bank import Deposit, GetStatement, Statement, bank
from tests.faults.disk import Disk
from twofold.engines.sqlite import SqliteHistory, SqliteViews
from twofold.errors import InvalidFilter
from twofold.node import Node
from twofold.read.view import View

pytestmark = pytest.mark.anyio


def history_of(node: Node) -> SqliteHistory:
    assert isinstance(node.history, SqliteHistory)
    return node.history


def views_of(node: Node) -> SqliteViews:
    assert isinstance(node._parts.views, SqliteViews)
    return node._parts.views


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with bank.open(f"sqlite:///{tmp_path}") as node:
        await node.send(Deposit("a"))
        await node.caught_up()
        yield node


async def test_commits_of_the_history_are_synced(node: Node) -> None:
    connection = history_of(node)._writer._connection
    assert connection is not None
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("journal_mode") == "wal"


async def test_every_commit_of_the_history_syncs_its_log_before_the_receipt(tmp_path: Path) -> None:
    with Disk(noting=True) as disk:
        async with bank.open(f"sqlite:///{tmp_path}", roles=["write"]) as node:
            for _ in range(5):
                before = len(disk.notes)
                await node.send(Deposit("a"))
                names = [
                    type(note).__name__ for note in disk.notes[before:] if "history.db" in getattr(note, "name", "")
                ]
                assert names[-1] == "Synced"
                assert "Written" in names


WRITES = [
    "INSERT INTO events SELECT * FROM events",
    "UPDATE events SET payload = '{}'",
    "DELETE FROM events",
    "DROP TABLE events",
    "CREATE TABLE mine (x)",
    "CREATE TEMP TABLE mine (x)",
    "PRAGMA query_only = OFF",
    "PRAGMA user_version = 5",
    "ATTACH ':memory:' AS other",
    "BEGIN",
    "VACUUM",
]


@pytest.mark.parametrize("write", WRITES)
async def test_the_connections_that_read_cannot_write(node: Node, write: str) -> None:
    history = history_of(node)
    for connection in (history._reader._here, views_of(node)._reader._here):
        with pytest.raises((apsw.ReadOnlyError, apsw.AuthError, apsw.SQLError)):
            connection.execute(
                write.replace("events", "twofold_parked") if connection is not history._reader._here else write
            )
    assert await history.head() == 1
    assert await node.ask(GetStatement("a")) is not None


async def test_a_connection_for_reading_is_read_only_by_its_file_as_well(node: Node) -> None:
    for connection in (history_of(node)._reader._here, views_of(node)._reader._here):
        assert connection.readonly("main")
        connection.authorizer = None
        assert connection.pragma("query_only") == 1
        connection.pragma("query_only", False)
        with pytest.raises(apsw.ReadOnlyError):
            connection.execute("CREATE TABLE mine (x)")


async def test_a_query_handler_that_tries_to_write_by_sql_is_refused(node: Node) -> None:
    view: View[Statement] = View(views_of(node), node.app.tables[Statement])
    for text in ("; DELETE FROM statement", "WHERE account IN (DELETE FROM statement RETURNING account)"):
        with pytest.raises(InvalidFilter):
            await view.sql(text)
    assert await view.count() == 1


async def test_long_reads_are_done_on_a_connection_that_cannot_write_either(node: Node) -> None:
    views = views_of(node)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n"
    assert await views._reader.rows(endless) == [(3_000_000,)]
    assert views._reader._opened, "it was not done again in a thread"
    for connection in views._reader._opened:
        assert connection.readonly("main")
