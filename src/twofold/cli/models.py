"""`twofold models`: how each read model stands; and the commands that do something with one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import cyclopts
import msgspec

from twofold.app import App
from twofold.cli.options import DEFAULT_URL, Json, Target, Url, Views, require_history, views_in
from twofold.cli.output import for_people, print_json, visible
from twofold.cli.target import load
from twofold.cli.upkeep import COMMANDS
from twofold.history.record import Position
from twofold.node import ModelStatus
from twofold.read.table import Table
from twofold.view_storages import ViewStorages

_COLUMNS = ("read model", "rows", "checkpoint", "lag", "live", "parked", "problem")
_RATE = "per second"
_HELD = "projected by"
_STORE = "store"
_SAMPLE = 0.5
_NONE = "-"
_NUMBERS = ("rows", "checkpoint", "lag", "parked", _RATE)


def models() -> cyclopts.App:
    """Return the commands about read models; without the name of one, they are listed."""
    app = cyclopts.App(name="models", help="See how read models stand, rebuild, verify and mend them.", sort_key=6)
    app.default(listed)
    app.command(listed, name="list", sort_key=1)
    for place, command in enumerate(COMMANDS, 2):
        app.command(command, sort_key=place)
    return app


def listed(target: Target, /, *, url: Url = DEFAULT_URL, views: Views = (), json: Json = False) -> None:
    """Show how each read model stands.

    Its rows, its checkpoint, its lag behind the history, how many events a second it applies, whether it is live, its
    parked keys, and which node projects it, where nodes hold leases on that; its segments, where it has several; the
    tables that are kept of it.
    """
    app = load(target)
    require_history(url)
    found = asyncio.run(_rated(app, url, views_in(views)))
    if for_people(json):
        _show(found)
        _show_segments(found)
        _show_versions(found)
    else:
        print_json(found)


async def _statuses(app: App, url: str, views: Mapping[str, str] | None) -> list[ModelStatus]:
    places = ViewStorages(url, views, app.tables.values(), app.views).storages
    stored = {name for name, place in places.items() if "views" in await place.stored()}
    # Read models alone: neither handlers nor what they depend on are needed, and no projection is begun.
    bare = App(app.name, views=app.views)
    for model, table in app.tables.items():
        if table.store in stored:
            bare.read_model(model)
    found: list[ModelStatus] = []
    if bare.tables:
        given = {name: each for name, each in (views or {}).items() if not name or name in stored}
        async with bare.open(url, views=given, roles=["read"]) as node:
            found = await node.models(details=True)
    missing = [table for table in app.tables.values() if table.store not in stored]
    if missing:
        head = found[0].head if found else await _head(url)
        found += [_unmade(table, head) for table in missing]
    return sorted(found, key=lambda status: status.name)


async def _rated(app: App, url: str, views: Mapping[str, str] | None) -> list[ModelStatus]:
    """Return how read models stand, with rates; those that are not kept are found by looking twice."""
    found = await _statuses(app, url, views)
    if not any(status.rate is None and status.lag for status in found):
        return [_with_rates(status, status) for status in found]
    await asyncio.sleep(_SAMPLE)
    return [_with_rates(*pair) for pair in zip(found, await _statuses(app, url, views), strict=True)]


def _with_rates(before: ModelStatus, after: ModelStatus) -> ModelStatus:
    if after.rate is not None:
        return after
    segments = [
        msgspec.structs.replace(other, rate=(other.checkpoint - one.checkpoint) / _SAMPLE)
        for one, other in zip(before.segments, after.segments, strict=True)
    ]
    rate = (after.checkpoint - before.checkpoint) / _SAMPLE
    return msgspec.structs.replace(after, segments=segments, rate=rate)


async def _head(url: str) -> Position:
    async with App("history").open(url, roles=["write"]) as node:
        return await node.history.head()


def _unmade(table: Table[Any], head: Position) -> ModelStatus:
    return ModelStatus(
        name=table.name,
        table=table.versioned_name,
        rows=0,
        checkpoint=0,
        head=head,
        lag=head,
        live=False,
        parked=0,
        store=table.store,
    )


def _show(found: list[ModelStatus]) -> None:
    from twofold.cli.terminal import console, new_table

    is_held = any(status.holder for status in found)
    is_named = any(status.store for status in found)
    moves = any(_rate(status.rate) != _NONE for status in found)
    table = new_table("", *_COLUMNS, *[_RATE] * moves, *[_HELD] * is_held, *[_STORE] * is_named, right=_NUMBERS)
    for status in found:
        table.add_row(
            status.name,
            f"{status.rows:,}",
            f"{status.checkpoint:,}",
            f"{status.lag:,}",
            "yes" if status.live else "not built",
            f"{status.parked:,}" if status.parked else _NONE,
            visible(status.problem or ""),
            *[_rate(status.rate)] * moves,
            *[visible(status.holder or "nobody")] * is_held,
            *[status.store] * is_named,
        )
    out = console()
    out.print(table)
    if found:
        out.print(f"the history ends at position {found[0].head:,}")


def _rate(rate: float | None) -> str:
    return f"{rate:,.0f}" if rate and rate >= 0.5 else _NONE


def _show_segments(found: list[ModelStatus]) -> None:
    """Show who projects which segment, how far behind the history, and how many events a second."""
    from twofold.cli.terminal import console, new_table

    if not any(status.segments for status in found):
        return
    table = new_table("segments", "read model", "segment", _HELD, "lag", _RATE, right=("segment", "lag", _RATE))
    for status in found:
        for number, segment in enumerate(status.segments):
            lag = max(0, status.head - segment.checkpoint)
            holder = visible(segment.holder or "nobody")
            table.add_row(status.name, str(number), holder, f"{lag:,}", _rate(segment.rate))
    console().print(table)


def _show_versions(found: list[ModelStatus]) -> None:
    """Show what is kept besides the tables that are listed."""
    from twofold.cli.terminal import console, new_table

    table = new_table("kept besides", "table", "checkpoint", "was live", right=("checkpoint",))
    for status in found:
        name, _, version = status.table.rpartition("__")
        for each in status.versions:
            if each.version != version:
                is_live = "is live" if each.live else "yes" if each.was_live else "no"
                table.add_row(f"{name}__{each.version}", f"{each.checkpoint:,}", is_live)
    if table.rows:
        console().print(table)
