"""Opening what is at a URL, plainly or with a planted bug."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tests.faults.bank import bank
from tests.faults.planted import EarlyAnswers, EarlyPositions
from twofold.history.store import History
from twofold.node import Node, Role
from twofold.storage import storage_at

PLANTED = {kind.__name__: kind for kind in (EarlyPositions, EarlyAnswers)}


async def open_history(url: str, planted: str = "") -> History:
    """Open the history at a URL as a node does, or the history of that name with a bug."""
    if planted:
        return PLANTED[planted](Path(url.removeprefix("sqlite:///")))
    history = await storage_at(url).history(["write"])
    assert history is not None
    return history


async def node_at(url: str, roles: Collection[Role], planted: str = "") -> Node:
    """Return a node of the bank, not entered yet."""
    node = bank.open(url, roles=roles)
    if planted:
        history = await open_history(url, planted)
        node._open_history = lambda: history
    return node
