"""`twofold events` lists what happened; `twofold tail` goes on as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from twofold import clock
from twofold.app import App
from twofold.cli.event_lines import EventLines, event_lines
from twofold.cli.filters import Filters, Search
from twofold.cli.following import until_told
from twofold.cli.options import DEFAULT_URL, Json, OptionalTarget, Url, require_history
from twofold.cli.output import Output, print_note
from twofold.cli.progress import Progress
from twofold.cli.target import load
from twofold.node import Node

_NO_FILTERS = Filters()


def events(
    target: OptionalTarget = None,
    /,
    *,
    filters: Filters = _NO_FILTERS,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """List events in the order in which they happened."""
    _note_unknown_types(target, filters)
    search = Search(filters, now=clock.now())
    require_history(url)
    asyncio.run(_list(url, search, Output(), json))


def tail(
    target: OptionalTarget = None,
    /,
    *,
    filters: Filters = _NO_FILTERS,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Show events as they happen.

    From now on, or from `--after`, until Ctrl-C, SIGTERM, `--until` or `--limit` ends it.
    """
    _note_unknown_types(target, filters)
    require_history(url)
    asyncio.run(_follow_until_told(url, filters, Output(), json))


async def _list(url: str, search: Search, output: Output, json: bool) -> None:
    lines = event_lines(output, json)
    async with _history_of(url) as node:
        head = await node.history.head()
        # On a terminal the rows themselves tell how far it is.
        with Progress("reading", head) as progress:
            progress.shown = progress.shown and not sys.stdout.isatty()
            async for recorded in search.up_to(node, head):
                lines.show(recorded)
                progress.reached(recorded.position)
    output.flush()


async def _follow_until_told(url: str, filters: Filters, output: Output, json: bool) -> None:
    async with until_told(output) as follow, _history_of(url) as node:
        search = Search(filters, after=await node.history.head(), now=clock.now())
        await follow(_follow(node, search, event_lines(output, json), output))


async def _follow(node: Node, search: Search, lines: EventLines, output: Output) -> None:
    while not search.ended:
        head = await node.history.head()
        if head > search.position:
            async for recorded in search.up_to(node, head):
                lines.show(recorded)
            output.flush()
        else:
            await node.history.changed(search.position)


@contextlib.asynccontextmanager
async def _history_of(url: str) -> AsyncIterator[Node]:
    # No application is needed to read events, so nothing of one is wired, and no projection is begun.
    async with App("history").open(url, roles=["write"]) as node:
        yield node


def _note_unknown_types(target: str | None, filters: Filters) -> None:
    if target is None:
        return
    known = {event.message_name for event in load(target).events}
    for type_ in filters.type:
        if type_ not in known:
            print_note(f"note: the application has no event {type_!r} (now); it has: {', '.join(sorted(known))}")
