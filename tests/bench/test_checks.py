"""The harness's own checks: each must notice the wrong result that it is there for."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from bench.child import child
from bench.reading import rows_of
from bench.result import WrongResult
from bench.witness import Witness
from bench.workload import Sent, closed_loop, registrations, updates, users
from examples.profiles.app import app

from bench import floor, verify
from twofold import Node, Receipt

pytestmark = pytest.mark.anyio


@pytest.fixture
def sent() -> list[Sent]:
    ids = users(5)
    return [*registrations(ids), *updates(ids, 20)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with app.open(f"sqlite:///{tmp_path}") as node:
        yield node


async def arrive(node: Node, sent: list[Sent]) -> list[Receipt]:
    receipts = await closed_loop(node, sent[:5], 3) + await closed_loop(node, sent[5:], 3)
    await node.caught_up()
    return receipts


def change(folder: Path, statement: str, file: str = "history.db") -> None:
    with closing(apsw.Connection(str(folder / file))) as connection:
        connection.set_busy_timeout(60_000)
        connection.execute(statement)


async def test_what_was_sent_is_found(node: Node, sent: list[Sent], tmp_path: Path) -> None:
    receipts = await arrive(node, sent)
    verify.history_holds(tmp_path, sent, receipts)
    await verify.read_model_holds(node, sent, receipts)


@pytest.mark.parametrize(
    "planted",
    [
        "DELETE FROM events WHERE position = 25",
        "UPDATE events SET payload = (SELECT payload FROM events WHERE position = 2) WHERE position = 1",
        "UPDATE events SET position = 26 WHERE position = 25",
        "DELETE FROM ledger WHERE position = 7",
        "DELETE FROM tags WHERE position = 7",
    ],
)
async def test_a_history_that_is_not_what_was_sent_is_noticed(
    planted: str, node: Node, sent: list[Sent], tmp_path: Path
) -> None:
    receipts = await arrive(node, sent)
    change(tmp_path, planted)
    with pytest.raises(WrongResult):
        verify.history_holds(tmp_path, sent, receipts)


async def test_a_missing_receipt_is_noticed(node: Node, sent: list[Sent], tmp_path: Path) -> None:
    receipts = await arrive(node, sent)
    with pytest.raises(WrongResult):
        verify.history_holds(tmp_path, sent, receipts[1:])


async def test_a_wrong_row_of_a_read_model_is_noticed(node: Node, sent: list[Sent], tmp_path: Path) -> None:
    receipts = await arrive(node, sent)
    tables = "SELECT name FROM sqlite_schema WHERE name GLOB 'profile__*' AND type = 'table'"
    ((table,),) = rows_of(tmp_path / "views.db", tables)
    change(tmp_path, f'UPDATE "{table}" SET updates = updates + 1', "views.db")
    with pytest.raises(WrongResult):
        await verify.read_model_holds(node, sent, receipts)


async def test_the_engine_is_seen_to_write_durably(tmp_path: Path) -> None:
    with Witness().watching() as witness:
        async with app.open(f"sqlite:///{tmp_path}"):
            settings = witness.history_settings()
    assert (settings.synchronous, settings.journal_mode) == (2, "wal")


@pytest.mark.parametrize("pragma", ["synchronous = NORMAL", "journal_mode = delete"])
def test_a_connection_that_is_not_durable_is_noticed(pragma: str, tmp_path: Path) -> None:
    with Witness().watching() as witness, closing(apsw.Connection(str(tmp_path / "history.db"))) as connection:
        connection.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; CREATE TABLE t (a)")
        witness.history_settings()
        connection.execute(f"PRAGMA {pragma}")
        with pytest.raises(WrongResult, match="PRAGMA"):
            witness.history_settings()


def test_a_process_without_a_writing_connection_is_noticed() -> None:
    with Witness().watching() as witness, pytest.raises(WrongResult, match="no open connection"):
        witness.history_settings()


async def test_the_floor_holds_the_rows_of_the_node(node: Node, sent: list[Sent], tmp_path: Path) -> None:
    with Witness().watching() as witness:
        async with app.open(f"sqlite:///{tmp_path / 'node'}", roles={"write"}) as writing:
            await closed_loop(writing, sent, 1)
            template = floor.template_of(tmp_path / "node", witness.history_settings())
    (tmp_path / "floor").mkdir()
    assert floor.insert(tmp_path / "floor", template, seed=5, batch=7) > 0
    for table in ("events", "tags", "ledger"):
        statement = f"SELECT * FROM {table} ORDER BY 1, 2"
        stored = [rows_of(tmp_path / name / "history.db", statement) for name in ("node", "floor")]
        assert len(stored[0]) == len(sent)
        assert stored[0] == stored[1]


def test_a_child_process_that_ends_early_is_noticed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WrongResult, match="ended with status"), child("bench.memory_child", tmp_path) as importer:
        importer.hear()
    assert "IndexError" in capfd.readouterr().err
