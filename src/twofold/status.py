"""How the read models of an application stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from twofold.history.record import Position
from twofold.history.store import History
from twofold.read.store import SegmentStatus, Version, ViewStore
from twofold.read.stores import statuses_of
from twofold.read.table import Table


class ModelStatus(msgspec.Struct, frozen=True):
    """How a read model stands.

    `lag` counts the events between its checkpoint and the head; `live` is False while it is being built; `parked`
    counts keys whose events could not be applied; `problem` says why its projection does not go on, if it does not.
    `holder` is the name of the node that projects it, where nodes hold leases (PostgreSQL); None if nobody does.
    `store` is the one that its class names, empty where it names none. Where details are asked for, there are also
    `segments`, of those that have several; `versions`, the tables that are kept of it; and `rate`, how many events a
    second were applied lately, None where the store does not keep it.
    """

    name: str
    table: str
    rows: int
    checkpoint: Position
    head: Position
    lag: int
    live: bool
    parked: int
    problem: str | None = None
    holder: str | None = None
    store: str = ""
    rate: float | None = None
    segments: Sequence[SegmentStatus] = ()
    versions: Sequence[Version] = ()


def rate_of(segments: Sequence[SegmentStatus]) -> float | None:
    """Return how many events a second were applied in all of the segments; None where it is not known of each."""
    rates = [each.rate for each in segments if each.rate is not None]
    return sum(rates) if segments and len(rates) == len(segments) else None


async def model_statuses(
    tables: Iterable[Table[Any]],
    views: ViewStore,
    history: History | None,
    problems: Mapping[Table[Any], str],
    *,
    details: bool,
) -> list[ModelStatus]:
    """Return how read models stand, by name.

    Args:
        tables: their tables.
        views: where they are.
        history: their events; None where it may not be seen: the head is then what projections have last seen.
        problems: why projections do not go on, as the node knows it that runs them.
        details: tell also rates, the segments of those that have several, and the tables that are kept of each.
    """
    by_name = sorted(tables, key=lambda table: table.name)
    statuses, unread = await statuses_of(by_name, views)
    seen = max((status.head for status in statuses), default=0)
    head = seen if history is None else await history.head()
    found: list[ModelStatus] = []
    for table, status in zip(by_name, statuses, strict=True):
        problem = problems.get(table, unread.get(table.name))
        is_told = details and problem is None
        segments = await views.segments(table) if is_told else ()
        found.append(
            ModelStatus(
                name=table.name,
                table=table.versioned_name,
                rows=status.rows,
                checkpoint=status.checkpoint,
                head=head,
                lag=max(0, head - status.checkpoint),
                live=status.live,
                parked=status.parked,
                problem=problem,
                holder=status.holder,
                store=table.store,
                rate=rate_of(segments),
                segments=segments if table.segments > 1 else (),
                versions=await views.versions(table) if is_told else (),
            )
        )
    return found
