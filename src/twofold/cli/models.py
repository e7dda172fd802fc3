"""`twofold models`: how each read model stands."""

from __future__ import annotations

import asyncio

from twofold.app import App
from twofold.cli.options import DEFAULT_URL, Json, Target, Url, require_history
from twofold.cli.output import for_people, print_json, visible
from twofold.cli.target import load
from twofold.node import ModelStatus

_COLUMNS = ("read model", "rows", "checkpoint", "lag", "live", "parked", "problem")
_HELD = "projected by"
_NUMBERS = ("rows", "checkpoint", "lag", "parked")


def models(target: Target, /, *, url: Url = DEFAULT_URL, json: Json = False) -> None:
    """Show how each read model stands.

    Its rows, its checkpoint, its lag behind the history, whether it is live, its parked keys, and which node
    projects it, where nodes hold leases on that.
    """
    app = load(target)
    stored = require_history(url)
    found = asyncio.run(_statuses(app, url, projected="views" in stored))
    if for_people(json):
        _show(found)
    else:
        print_json(found)


async def _statuses(app: App, url: str, *, projected: bool) -> list[ModelStatus]:
    # Read models alone: neither handlers nor what they depend on are needed, and no projection is begun.
    bare = App(app.name)
    for model in app.tables:
        bare.read_model(model)
    if projected:
        async with bare.open(url, roles=["read"]) as node:
            return await node.models()
    async with bare.open(url, roles=["write"]) as node:
        head = await node.history.head()
    return [
        ModelStatus(
            name=table.name,
            table=table.versioned_name,
            rows=0,
            checkpoint=0,
            head=head,
            lag=head,
            live=False,
            parked=0,
        )
        for table in sorted(bare.tables.values(), key=lambda table: table.name)
    ]


def _show(found: list[ModelStatus]) -> None:
    from twofold.cli.terminal import console, new_table

    is_held = any(status.holder for status in found)
    table = new_table("", *_COLUMNS, *[_HELD] * is_held, right=_NUMBERS)
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
        )
    out = console()
    out.print(table)
    if found:
        out.print(f"the history ends at position {found[0].head:,}")
