"""Opening what is at a URL, plainly or with a planted bug."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tests.faults import planted, planted_postgres
from tests.faults.bank import bank
from twofold.engines.postgres.address import SCHEMES, read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.history.store import History
from twofold.node import Node, Role
from twofold.storage import storage_at


async def open_history(url: str, with_bug: str = "") -> History:
    """Open the history at a URL as a node does, or the history of that name with a bug."""
    history = await storage_at(url).history(["write"])
    assert history is not None
    if not with_bug:
        return history
    await history.close()
    if not url.startswith(SCHEMES):
        on_sqlite: History = getattr(planted, with_bug)(Path(url.removeprefix("sqlite:///")))
        return on_sqlite
    on_postgres: PostgresHistory = getattr(planted_postgres, with_bug)(read_address(url))
    await on_postgres.open()
    return on_postgres


def node_at(url: str, roles: Collection[Role], with_bug: str = "") -> Node:
    """Return a node of the bank, not entered yet."""
    node = bank.open(url, roles=roles)
    if with_bug:
        node._parts.open_history = lambda: open_history(url, with_bug)
    return node
