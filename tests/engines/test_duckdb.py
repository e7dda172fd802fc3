"""Read models in DuckDB: the contract suite, and what is this engine's alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import settings

from tests.engines.conftest import duckdb_views
from tests.read.stocks import GetItem, GetTakings, Sell, app
from twofold import engines
from twofold.engines.duckdb import DuckDbViews, guard, reader
from twofold.engines.duckdb.transaction import DuckDbBatchTransaction
from twofold.errors import (
    ForeignFile,
    InvalidAddress,
    InvalidFilter,
    MissingExtra,
    NewerSchema,
    StatementFailed,
    StoreFailed,
    StoreUnavailable,
)
from twofold.model import ReadModel
from twofold.read.store import Advance, Parked
from twofold.read.table import Table
from twofold.read.transaction import BatchTransaction
from twofold.read.view import View
from twofold.storage import storage_at
from twofold.testing.contracts import ViewEngine, ViewStoreContract
from twofold.testing.contracts.rows import HISTORY, NOTES, TALLIES, Note, Noted, Tally, everything, prepared, put

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(folder: Callable[[], Path]) -> ViewEngine:
    return duckdb_views(folder)


class TestViews(ViewStoreContract):
    """With fewer examples at random: to open a file takes DuckDB a tenth of a second."""

    kinds_at_random = settings(ViewStoreContract.kinds_at_random, max_examples=5)
    pages_at_random = settings(ViewStoreContract.pages_at_random, max_examples=10)
    ranges_at_random = settings(ViewStoreContract.ranges_at_random, max_examples=10)
    searches_at_random = settings(ViewStoreContract.searches_at_random, max_examples=10)
    keys_at_random = settings(ViewStoreContract.keys_at_random, max_examples=10)
    hostile_at_random = settings(ViewStoreContract.hostile_at_random, max_examples=5)


@pytest.fixture
async def views(folder: Callable[[], Path]) -> Any:
    store = DuckDbViews(folder())
    yield store
    await store.close()


@contextmanager
def held_by_another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Inside the block, or until its standard input ends, another process has the file open."""
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with process:
        yield process


async def test_a_file_that_another_process_has_is_refused_until_that_one_has_ended(folder: Callable[[], Path]) -> None:
    place = folder()
    await DuckDbViews(place).close()
    with held_by_another_process(place / "views.duckdb") as process:
        store = DuckDbViews(place)
        told = f"process {process.pid} has it open, and DuckDB lets one process at a time open a file"
        for call in (store.status, store.checkpoint, store.parked_keys):
            with pytest.raises(StoreUnavailable, match=told):
                await call(NOTES)
        with pytest.raises(StoreUnavailable, match=told):
            await store.prepare(NOTES, HISTORY)
        process.communicate()
        await prepared(store, NOTES)
        assert await put(store, NOTES, Note("a"))
    await store.close()
    with pytest.raises(StoreFailed, match="the file was closed"):
        await store.status(NOTES)


async def test_beside_the_process_that_has_the_file_nobody_projects_into_it_and_other_read_models_are_read(
    tmp_path: Path,
) -> None:
    url, views = f"sqlite:///{tmp_path}", {"analytics": f"duckdb:///{tmp_path}"}
    async with app.open(url, views=views) as node:
        await node.send(Sell("tea", 2))
        await node.caught_up()
    with held_by_another_process(tmp_path / "views.duckdb") as process:
        with pytest.raises(StoreUnavailable, match=f"process {process.pid} has it open"):
            await app.open(url, views=views).__aenter__()
        async with app.open(url, views=views, roles=["read"]) as reader:
            assert await reader.ask(GetItem("tea")) == 2
            with pytest.raises(StoreUnavailable, match="has it open"):
                await reader.ask(GetTakings("tea"))
            problems = {status.name: status.problem for status in await reader.models()}
            assert problems["Item"] is None
            assert "has it open" in (problems["Takings"] or "")
            process.communicate()
            assert await reader.ask(GetTakings("tea")) == 1


async def test_a_file_of_somebody_else_is_left_as_it_is(folder: Callable[[], Path]) -> None:
    path = folder() / "views.duckdb"
    path.write_bytes(b"some notes" * 1000)
    with pytest.raises(ForeignFile):
        DuckDbViews(path.parent)
    assert path.read_bytes() == b"some notes" * 1000
    path.unlink()
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE pigeons (name VARCHAR)")
    with pytest.raises(ForeignFile, match="it holds other tables: pigeons"):
        DuckDbViews(path.parent)
    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("pigeons",)]


async def test_a_file_of_a_newer_twofold_is_refused_and_one_that_was_not_made_to_its_end_is_made(
    folder: Callable[[], Path],
) -> None:
    path = folder() / "views.duckdb"
    duckdb.connect(path).close()
    await DuckDbViews(path.parent).close()
    with duckdb.connect(path) as connection:
        connection.execute("UPDATE twofold_file SET version = 99")
    with pytest.raises(NewerSchema):
        DuckDbViews(path.parent)


class Measured(ReadModel, key="name"):
    name: str
    id: UUID = UUID(int=0)
    day: date = date(2026, 1, 1)
    at: datetime = datetime(2026, 1, 1)
    big: bool = False
    amounts: list[int] = []

    def evolve(self, event: Noted) -> None: ...


async def test_any_tool_that_knows_duckdb_can_read_the_rows_under_the_live_name(folder: Callable[[], Path]) -> None:
    place, table = folder(), Table(Measured)
    store = DuckDbViews(place)
    await prepared(store, table)
    await put(
        store, table, *[Measured(str(n), UUID(int=n), date(2026, 1, 1 + n), big=n > 1, amounts=[n]) for n in range(4)]
    )
    await store.close()
    with duckdb.connect(place / "views.duckdb", read_only=True) as connection:
        found = connection.execute("SELECT month(day), count(*), sum(amounts[0]::INTEGER) FROM measured GROUP BY 1")
        assert found.fetchall() == [(1, 4, 6)]
        types = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE measured)").fetchall())
    assert list(types.values()) == ["VARCHAR", "UUID", "DATE", "TIMESTAMP WITH TIME ZONE", "BOOLEAN", "JSON"]


ELSEWHERE = [
    "where name in (select content from read_text('{file}'))",
    "where name in (select * from read_csv('{file}'))",
    "where name in (select * from '{file}')",
    "where exists (from query('select 1'))",
    "where exists (from checkpoint())",
    "where exists (from truncate_duckdb_logs())",
    "where exists (from range(2), system.main.checkpoint())",
    "where exists (from enable_logging(storage = 'file', storage_path = '{file}.log'))",
    "where exists (from enable_profiling(save_location = '{file}.json'))",
    "where exists (from duckdb_settings())",
    "where name in (select name from secret)",
    "; copy note to '{file}.csv'",
    "; attach '{file}.db' as other",
    "; install httpfs",
    "; load httpfs",
    "; pragma threads = 1",
    "; set threads = 1",
    "; reset lock_configuration",
    "; export database '{file}.all'",
    "; checkpoint",
    "; vacuum",
    "; commit",
]


@pytest.mark.parametrize("text", ELSEWHERE)
async def test_sql_reaches_nothing_but_the_tables(views: DuckDbViews, text: str, tmp_path: Path) -> None:
    secret = [("a",)]
    file = tmp_path / "file"
    file.write_text("a")
    await prepared(views, NOTES)
    await put(views, NOTES, Note("a"))
    beside = sorted(tmp_path.iterdir())
    with pytest.raises(InvalidFilter):
        await View(views, NOTES).sql(text.format(file=file))
    # Nor on the connection itself, which no text is looked at for.
    if text.startswith("; ") and text not in ("; checkpoint", "; vacuum", "; commit"):
        with pytest.raises((StoreFailed, StoreUnavailable)):
            await views._reader.rows(text.removeprefix("; ").format(file=file).replace("attach '", "attach '/"))
    assert sorted(tmp_path.iterdir()) == beside
    assert secret == [("a",)]


ENDLESS = "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range % 7 = 3"


async def test_the_event_loop_goes_on_while_a_query_takes_long_and_whoever_gives_up_ends_it(views: DuckDbViews) -> None:
    await prepared(views, NOTES)
    await put(views, NOTES, Note("a", 1))
    endless = f"where number = ({ENDLESS})"
    asking = asyncio.create_task(View(views, NOTES).sql(endless))
    while not views._reader._busy:
        await asyncio.sleep(0)
    assert await put(views, NOTES, Note("b"), expected=1)
    assert await View(views, NOTES).get("b") == Note("b")
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    other = asyncio.create_task(View(views, NOTES).sql(endless))
    while not views._reader._busy:
        await asyncio.sleep(0)
    await views.close()
    with pytest.raises(StoreFailed):
        await other


async def ends_when_it_is_given_up_before_it_has_begun(views: DuckDbViews, patience: float) -> bool:
    there, gate = threading.Event(), threading.Event()

    def late(connection: duckdb.DuckDBPyConnection) -> reader.Rows:
        there.set()
        gate.wait()
        return reader.fetched(connection, ENDLESS)

    asking = asyncio.create_task(views._reader.snapshot(late))
    await asyncio.to_thread(there.wait)
    asking.cancel()
    await asyncio.sleep(0)
    gate.set()
    ended, _ = await asyncio.wait([asking], timeout=patience)
    return bool(ended)


async def test_whoever_gives_up_ends_also_what_has_not_begun_yet(
    views: DuckDbViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(reader._THREADS + 1):
        assert await ends_when_it_is_given_up_before_it_has_begun(views, patience=60)
    assert await views._reader.rows("select 1") == [(1,)]
    with monkeypatch.context() as patch:
        patch.setattr(reader, "_AGAIN", 3600.0)
        assert not await ends_when_it_is_given_up_before_it_has_begun(views, patience=0.2), "a control"


async def counted(tx: BatchTransaction) -> Sequence[Parked]:
    names = ["tea", "nut", "tea"]
    changed = await tx.execute(
        "insert into {tally} (name, number) select name, count(*) from (select unnest(:names) as name) group by name "
        "on conflict (name) do update set number = {tally}.number + excluded.number",
        names=names,
    )
    assert changed == 2
    rows = await tx.fetch("update {tally} set number = number where name = :name returning name, number", name="tea")
    assert rows[0]["name"] == "tea"
    return ()


async def test_a_batch_is_counted_in_one_statement_from_a_list(views: DuckDbViews) -> None:
    await prepared(views, TALLIES)
    for position in range(2):
        assert await views.apply(TALLIES, Advance(position, position + 1, work=counted))
    assert await everything(views, TALLIES) == [Tally("nut", 2), Tally("tea", 4)]


async def attempted_twice(tx: BatchTransaction, name: str) -> None:
    """Fail in an attempt within an attempt."""
    async with tx.attempt():
        await tx.execute("insert into {tally} (name, number) values (:name, 1)", name=name)
        async with tx.attempt():
            await tx.execute("insert into {tally} (name, number) values ('before', 2)")


async def failing(tx: BatchTransaction) -> Sequence[Parked]:
    await tx.execute("insert into {tally} (name, number) values ('before', 1)")
    for name in ("first", "second"):
        with pytest.raises(StatementFailed):
            await attempted_twice(tx, name)
    await tx.execute("insert into {tally} (name, number) values ('after', 1)")
    return [Parked('["first"]', 1, "it failed")]


async def test_attempts_that_fail_one_after_another_leave_what_was_done_before_them(views: DuckDbViews) -> None:
    await prepared(views, TALLIES)
    rows = [TALLIES.row(Tally("of the batch", 7))]
    assert await views.apply(TALLIES, Advance(0, 3, rows, work=failing))
    assert await everything(views, TALLIES) == [Tally("after", 1), Tally("before", 1), Tally("of the batch", 7)]
    assert await views.checkpoint(TALLIES) == 3
    assert dict(await views.parked_keys(TALLIES)) == {'["first"]': 1}


@pytest.mark.parametrize(
    "sql",
    [
        "update twofold_projections set checkpoint = 9",
        'delete from "TWOFOLD_PARKED"',
        "with gone as (delete from twofold_file returning 1) select * from gone",
        "insert into {tally} select content, 1 from read_text('/etc/hostname')",
        "select * from read_text('/etc/hostname')",
        "merge into {tally} using (select 1) on true when matched then delete; commit",
    ],
)
async def test_work_reaches_neither_twofolds_tables_nor_files(views: DuckDbViews, sql: str) -> None:
    async def work(tx: BatchTransaction) -> Sequence[Parked]:
        await tx.execute(sql)
        return ()

    await prepared(views, TALLIES)
    with pytest.raises(StatementFailed):
        await views.apply(TALLIES, Advance(0, 3, work=work))
    assert await views.checkpoint(TALLIES) == 0


async def test_it_keeps_no_history_and_its_url_names_a_folder(tmp_path: Path) -> None:
    storage = storage_at(f"duckdb:///{tmp_path}/data")
    assert await storage.stored() == frozenset()
    with pytest.raises(InvalidAddress, match="it keeps read models, no history"):
        await storage.history({"write"})
    assert await storage.snapshots() is None
    await (await storage.views({"read"})).close()
    assert await storage.stored() == {"views"}
    for wrong in ("duckdb:", "duckdb://host/data", "duckdb:///"):
        with pytest.raises(InvalidAddress, match=r"expected duckdb:///FOLDER"):
            storage_at(wrong)


def test_where_duckdb_is_not_installed_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is imported again takes the place of the package in its parent, too.
    monkeypatch.setattr(engines, "duckdb", sys.modules["twofold.engines.duckdb"])
    for name in [name for name in sys.modules if name.startswith("twofold.engines.duckdb")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'twofold\[duckdb\]'"):
        storage_at("duckdb:///data")


class OpenReader(reader.Reader):
    def _in_transaction(self, connection: duckdb.DuckDBPyConnection, read: Any) -> Any:
        return read(connection)


async def _plain_attempt(transaction: DuckDbBatchTransaction, sql: str) -> None:
    """Undoes nothing."""


async def _only_rolls_back(transaction: DuckDbBatchTransaction, sql: str) -> None:
    if sql.startswith("ROLLBACK"):
        await transaction._steps.run(duckdb.DuckDBPyConnection.rollback)
        await transaction._steps.run(duckdb.DuckDBPyConnection.begin)


async def test_control_transactions_that_may_write_are_found(
    engine: ViewEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twofold.engines.duckdb.views.Reader", OpenReader)
    with pytest.raises(pytest.fail.Exception):
        await TestViews().test_the_connection_that_queries_are_read_with_cannot_write(engine)


async def test_control_texts_that_nobody_looks_at_are_found(
    views: DuckDbViews, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twofold.engines.duckdb.views.check", lambda text, use: "SELECT")
    with pytest.raises(pytest.fail.Exception):
        await test_sql_reaches_nothing_but_the_tables(views, "where exists (from truncate_duckdb_logs())", tmp_path)
    with pytest.raises((pytest.fail.Exception, AssertionError)):
        await TestViews().test_sql_cannot_make_its_connection_write(views)


@pytest.mark.parametrize("bug", [_plain_attempt, _only_rolls_back])
async def test_control_attempts_that_are_not_undone_or_take_all_with_them_are_found(
    views: DuckDbViews, bug: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DuckDbBatchTransaction, "_run_own", bug)
    with pytest.raises((AssertionError, StatementFailed, StoreFailed, pytest.fail.Exception)):
        await test_attempts_that_fail_one_after_another_leave_what_was_done_before_them(views)


def test_texts_are_looked_at_once() -> None:
    before = guard.check.cache_info().hits
    for _ in range(3):
        assert guard.check("SELECT 1 AS looked_at_once", "query") == "SELECT"
    assert guard.check.cache_info().hits == before + 2
