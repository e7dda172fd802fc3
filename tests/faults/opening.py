"""Opening what is at a URL, plainly or with a planted bug."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tests.faults import planted, planted_postgres
from tests.faults.bank import bank
from twofold.engines.postgres.address import SCHEMES, read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.engines.postgres.migrate import prepare
from twofold.engines.sqlite import SqliteHistory
from twofold.history.store import History
from twofold.node import Node, Role


async def open_history(url: str, with_bug: str = "") -> History:
    """Open the history at a URL, or the history of that name with a bug."""
    if not url.startswith(SCHEMES):
        folder = Path(url.removeprefix("sqlite:///"))
        on_sqlite: type[SqliteHistory] = getattr(planted, with_bug) if with_bug else SqliteHistory
        return on_sqlite(folder)
    address = read_address(url)
    await prepare(address)
    on_postgres: type[PostgresHistory] = getattr(planted_postgres, with_bug) if with_bug else PostgresHistory
    history = on_postgres(address)
    await history.open()
    return history


async def node_at(url: str, roles: Collection[Role], with_bug: str = "") -> Node:
    """Return a node of the bank, not entered yet."""
    node = bank.open(url, roles=roles)
    if with_bug:
        node._open_history = lambda: open_history(url, with_bug)
    return node
