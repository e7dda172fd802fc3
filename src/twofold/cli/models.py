"""`twofold models`: how each read model stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from twofold.app import App
from twofold.cli.options import DEFAULT_URL, Json, Target, Url, Views, require_history, views_in
from twofold.cli.output import for_people, print_json, visible
from twofold.cli.target import load
from twofold.history.record import Position
from twofold.node import ModelStatus
from twofold.read.table import Table
from twofold.view_storages import ViewStorages

_COLUMNS = ("read model", "rows", "checkpoint", "lag", "live", "parked", "problem")
_HELD = "projected by"
_STORE = "store"
_NUMBERS = ("rows", "checkpoint", "lag", "parked")


def models(target: Target, /, *, url: Url = DEFAULT_URL, views: Views = (), json: Json = False) -> None:
    """Show how each read model stands.

    Its rows, its checkpoint, its lag behind the history, whether it is live, its parked keys, and which node
    projects it, where nodes hold leases on that.
    """
    app = load(target)
    require_history(url)
    found = asyncio.run(_statuses(app, url, views_in(views)))
    if for_people(json):
        _show(found)
    else:
        print_json(found)


async def _statuses(app: App, url: str, views: Mapping[str, str] | None) -> list[ModelStatus]:
    places = ViewStorages(url, views, app.tables.values()).storages
    stored = {name for name, place in places.items() if "views" in await place.stored()}
    # Read models alone: neither handlers nor what they depend on are needed, and no projection is begun.
    bare = App(app.name)
    for model, table in app.tables.items():
        if table.store in stored:
            bare.read_model(model)
    found: list[ModelStatus] = []
    if bare.tables:
        given = {name: each for name, each in (views or {}).items() if not name or name in stored}
        async with bare.open(url, views=given, roles=["read"]) as node:
            found = await node.models()
    missing = [table for table in app.tables.values() if table.store not in stored]
    if missing:
        head = found[0].head if found else await _head(url)
        found += [_unmade(table, head) for table in missing]
    return sorted(found, key=lambda status: status.name)


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
    table = new_table("", *_COLUMNS, *[_HELD] * is_held, *[_STORE] * is_named, right=_NUMBERS)
    for status in found:
        table.add_row(
            status.name,
            f"{status.rows:,}",
            f"{status.checkpoint:,}",
            f"{status.lag:,}",
            "yes" if status.live else "not built",
            f"{status.parked:,}" if status.parked else "-",
            visible(status.problem or ""),
            *[visible(status.holder or "nobody")] * is_held,
            *[status.store] * is_named,
        )
    out = console()
    out.print(table)
    if found:
        out.print(f"the history ends at position {found[0].head:,}")
