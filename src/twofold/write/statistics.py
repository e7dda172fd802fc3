"""How well a node's write side is served by what it keeps in memory."""

from __future__ import annotations

import msgspec


class WriteStatistics(msgspec.Struct, frozen=True):
    """Counted since the node was opened.

    Attributes:
        waiting: decisions that are not durable yet.
        models: write models that are kept, folded.
        bytes: about how much memory they take.
        hits: how often a command found a model ready.
        misses: how often one had to be read from the history, whole or in part.
        evictions: how many models had to go because there were too many, or too large ones.
        snapshots: states of long models that are kept besides, so that they need not be folded from the first event.
        snapshot_bytes: about how much memory those take.
    """

    waiting: int
    models: int
    bytes: int
    hits: int
    misses: int
    evictions: int
    snapshots: int
    snapshot_bytes: int
