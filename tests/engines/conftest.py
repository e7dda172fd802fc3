"""The engines under test; each is a line here."""

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest

from twofold.engines.duckdb import DuckDbViews
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.views import PostgresViews
from twofold.engines.sqlite import SqliteHistory, SqliteViews
from twofold.engines.valkey.address import read_address as read_valkey_address
from twofold.engines.valkey.server import Server as ValkeyServer
from twofold.engines.valkey.views import ValkeyViews
from twofold.read.store import ViewStore
from twofold.testing.contracts import Engine, HistoryEngine, ViewEngine


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[], Path]:
    return lambda: Path(mkdtemp(dir=tmp_path))


def memory_history() -> HistoryEngine:
    return Engine("memory", lambda place: MemoryHistory(), cannot={"reopen", "share", "transact"})


def sqlite_history(folder: Callable[[], Path]) -> HistoryEngine:
    return Engine("sqlite", SqliteHistory, place=folder)


def postgres_history(new: Callable[[], str], kind: type[PostgresHistory] = PostgresHistory) -> HistoryEngine:
    async def opened(url: str) -> PostgresHistory:
        history = kind(read_address(url, {}))
        await history.open()
        return history

    return Engine("postgres", opened, place=new)


def memory_views() -> ViewEngine:
    return Engine("memory", lambda place: MemoryViews(), cannot={"reopen", "share", "connect", "lease"})


def sqlite_views(folder: Callable[[], Path]) -> ViewEngine:
    return Engine("sqlite", SqliteViews, place=folder, cannot={"lease"}, write_raw=_write_to_sqlite)


def postgres_views(new: Callable[[], str], kind: type[PostgresViews] = PostgresViews) -> ViewEngine:
    async def opened(url: str) -> PostgresViews:
        address = read_address(url, {})
        views = kind(Server(address, "reader"), Server(address, "projector"))
        await views.open()
        return views

    return Engine("postgres", opened, place=new, write_raw=_write_to_postgres)


def valkey_views(new: Callable[[], str], kind: type[ValkeyViews] = ValkeyViews) -> ViewEngine:
    async def opened(url: str) -> ValkeyViews:
        views = kind(ValkeyServer(read_valkey_address(url)))
        await views.open()
        return views

    return Engine("valkey", opened, place=new, cannot={"connect", "find", "sql", "search", "work"})


def duckdb_views(folder: Callable[[], Path]) -> ViewEngine:
    """Two openings share the file within a process; another process is refused, which `test_duckdb.py` shows."""
    return Engine("duckdb", DuckDbViews, place=folder, cannot={"lease"}, write_raw=_write_to_duckdb)


async def _write_to_duckdb(store: ViewStore, statement: str) -> None:
    assert isinstance(store, DuckDbViews)
    await store._reader.rows(statement)


async def _write_to_postgres(store: ViewStore, statement: str) -> None:
    assert isinstance(store, PostgresViews)
    async with store._reader._use() as connection:
        await connection.execute(f"SET search_path = views; {statement}")


def _write_to_sqlite(store: ViewStore, statement: str) -> None:
    assert isinstance(store, SqliteViews)
    store._reader._here.execute(statement)
