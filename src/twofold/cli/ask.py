"""`twofold ask`: one query, answered from read models that are as fresh as is asked for, once or again and again."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter, validators
from msgspec import structs

from twofold import clock
from twofold.cli.filters import moment
from twofold.cli.following import until_told
from twofold.cli.message_command import message_or_help, print_help
from twofold.cli.options import DEFAULT_URL, Body, Help, Json, Target, Url, Views, Words, require_history, views_in
from twofold.cli.output import Output, for_people, print_json, print_note
from twofold.cli.progress import Progress
from twofold.cli.status import CommandLineError
from twofold.cli.target import load_before
from twofold.errors import NotFresh
from twofold.message import Query
from twofold.node import Node
from twofold.read.asking import Demand

_LOOK = 0.25


def ask(
    target: Target | None = None,
    /,
    *words: Words,
    url: Url = DEFAULT_URL,
    views: Views = (),
    after: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    max_lag: Annotated[float | None, Parameter(validator=validators.Number(gte=0))] = None,
    timeout: Annotated[float, Parameter(validator=validators.Number(gte=0))] = 30.0,
    as_of: str | None = None,
    watch: Annotated[bool, Parameter(negative=())] = False,
    body: Body = None,
    json: Json = False,
    help: Help = False,
) -> None:
    """Ask a query and print its answer.

    Args:
        after: The answer rests on everything up to this position; on all that is stored now if left out.
        max_lag: The answer rests on everything that was stored more than so many seconds ago, instead of on all.
        timeout: How many seconds to wait for that.
        as_of: Answer from the history as it ended at this position, or at this time, given as for `events --since`.
        watch: Print the answer again whenever it has changed, until Ctrl-C or SIGTERM.
    """
    if target is None:
        if not help:
            raise CommandLineError("expected an application and a query: `twofold ask APP NAME field=value …`")
        print_help("ask")
        return
    app = load_before("ask", target, *words)
    query: Query[Any] | None = message_or_help("ask", target, app.queries, words, body=body, help_wanted=help)
    if query is None:
        return
    require_history(url)
    demand = Demand(after or 0, max_lag, timeout)
    takes_all = after is None and max_lag is None
    opening = app.open(url, views=views_in(views), roles=("read", "project"))
    past = _past(as_of, exclusive=watch or not takes_all)
    if past is not None:
        _show(asyncio.run(_recalled(opening, query, past)), json)
        return
    if watch:
        asyncio.run(_watched(opening, query, demand, takes_all, json))
        return
    _show(asyncio.run(_asked(opening, query, demand, takes_all)), json)


def _show(answer: Any, json: bool) -> None:
    if for_people(json):
        from twofold.cli.answer import show_answer

        show_answer(answer)
    else:
        print_json(answer)
    if getattr(answer, "next", None):
        print_note(f"next page: {answer.next}")


def _past(as_of: str | None, *, exclusive: bool) -> int | datetime | None:
    if as_of is not None and exclusive:
        raise CommandLineError("--as-of asks for the past as it was; leave out --after, --max-lag and --watch")
    if as_of is not None and as_of.isascii() and as_of.isdigit():
        return int(as_of)
    return moment(as_of, "--as-of", clock.now())


async def _recalled(opening: Node, query: Query[Any], past: int | datetime) -> Any:
    async with opening as node:
        return await node.ask(query, as_of=past)


async def _watched(opening: Node, query: Query[Any], demand: Demand, takes_all: bool, json: bool) -> None:
    output = Output()
    async with until_told(output) as follow, opening as node:
        await follow(_show_each(node, query, await _wanted(node, demand, takes_all), output, json))


async def _show_each(node: Node, query: Query[Any], demand: Demand, output: Output, json: bool) -> None:
    shows = for_people(json)
    async with await node.watcher(query, demand) as watcher:
        while (sighting := await watcher.next()) is not None:
            if shows:
                from twofold.cli.answer import show_answer

                show_answer(sighting.value)
            else:
                output.write(sighting.body + b"\n")
                output.flush()


async def _wanted(node: Node, demand: Demand, takes_all: bool) -> Demand:
    return structs.replace(demand, after=await node.history.head()) if takes_all else demand


async def _asked(opening: Node, query: Query[Any], demand: Demand, takes_all: bool) -> Any:
    async with opening as node:
        demand = await _wanted(node, demand, takes_all)
        tables = [node.app.tables[view.model].name for view in node.app.queries[type(query)].views]
        watching = asyncio.create_task(_show_progress(node, tables, demand.after))
        try:
            return await node.ask(query, after=demand.after, max_lag=demand.max_lag, timeout=demand.timeout)
        except NotFresh as error:
            for status in await node.models():
                if status.name == error.model and status.problem:
                    error.add_note(f"its projection does not go on: {status.problem}")
            raise
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


async def _show_progress(node: Node, tables: list[str], wanted: int) -> None:
    """Show how far the slowest read model has come, for as long as somebody waits for it."""
    with Progress("projecting", wanted) as progress:
        while progress.shown:
            await asyncio.sleep(_LOOK)
            reached = [status.checkpoint for status in await node.models() if status.name in tables]
            progress.reached(min(reached, default=wanted))
