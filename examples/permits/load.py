"""The import: a log's commands through a node, many at once, each case's in its order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from examples.permits.app import app
from examples.permits.log import Line, read_log
from examples.permits.reports import ListActivities, ListDays, ListDepartments, ListResources
from twofold import Found, Node, Query, ReadModel, Rejected
from twofold.errors import MissingExtra

Row = TypeVar("Row", bound=ReadModel)
_SHOWN = 10


class Outcome(msgspec.Struct):
    """What became of the commands: `repeated` were accepted in an earlier import, `rejected` counts codes."""

    accepted: int = 0
    repeated: int = 0
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    position: int = 0


async def send_lines(
    node: Node, lines: Sequence[Line], *, in_flight: int = 256, sent: Callable[[], None] = lambda: None
) -> Outcome:
    """Send a log's commands in the order of time; return when all are decided and the read models have seen them.

    Up to `in_flight` commands are under way at once. A command waits for the one before it in its own case, so that
    each case is decided in its order. It may be called again after it was interrupted: ids make every command count
    once. `sent` is called after each command.

    Raises:
        TwofoldError: what the first command raised that was neither accepted nor rejected. None is sent after it.
    """
    outcome = Outcome()
    places = asyncio.Semaphore(in_flight)
    last_of: dict[str, asyncio.Task[None]] = {}

    async def send(line: Line, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await before
            receipt = await node.send(line.command, command_id=line.command_id)
            outcome.repeated += receipt.repeated
            outcome.accepted += not receipt.repeated
            outcome.position = max(outcome.position, receipt.position)
        except Rejected as rejected:
            outcome.rejected[rejected.code] += 1
        finally:
            places.release()
            sent()

    try:
        async with asyncio.TaskGroup() as group:
            for line in lines:
                await places.acquire()
                last_of[line.case_id] = group.create_task(send(line, last_of.get(line.case_id)))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    await node.caught_up(after=outcome.position, timeout=600)
    return outcome


async def every(node: Node, query: Query[Found[Row]]) -> AsyncIterator[Row]:
    """Yield the rows of all pages of a query, from the first page on."""
    while True:
        page = await node.ask(query)
        for row in page:
            yield row
        if page.next is None:
            return
        query = msgspec.structs.replace(query, after=page.next)


async def run_import(path: Path, url: str, views: Mapping[str, str]) -> int:
    """Import a log into a history with a progress bar, print the totals, return the exit status.

    Raises:
        LogError: the file is no log.
        MissingExtra: rich is not installed.
        TwofoldError: the history cannot be used.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError as error:
        raise MissingExtra(feature="the progress bar", extra="cli") from error
    lines = read_log(path)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with app.open(url, views=views) as node:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("commands", total=len(lines))
            outcome = await send_lines(node, lines, sent=lambda: progress.advance(bar))
        print(f"{outcome.accepted:,} commands accepted, {outcome.repeated:,} were accepted in an earlier import")
        for code, number in outcome.rejected.most_common():
            print(f"{number:,} commands rejected: {code}")
        await _print_totals(node)
    return 1 if outcome.rejected else 0


async def _print_totals(node: Node) -> None:
    departments = await node.ask(ListDepartments())
    received, steps = sum(each.received for each in departments), sum(each.steps for each in departments)
    days = [day async for day in every(node, ListDays())]
    print(f"\n{received:,} cases, {steps:,} steps on {sum(day.steps > 0 for day in days):,} days\n")
    print("department             cases    open  closed    late   steps  days from received to closed")
    for each in departments:
        average = "" if each.days_on_average is None else f"{each.days_on_average:.1f}"
        print(
            f"{each.department:20.20} {each.received:7,} {each.open:7,} {each.closed:7,} {each.closed_late:7,} "
            f"{each.steps:7,} {average:>8}"
        )
    _print_counts("activity", [(each.activity, each.steps) async for each in every(node, ListActivities())])
    _print_counts("resource", [(each.resource, each.steps) async for each in every(node, ListResources())])


def _print_counts(title: str, counts: Sequence[tuple[str, int]]) -> None:
    print(f"\n{title:56} steps")
    for name, steps in counts[:_SHOWN]:
        print(f"{name:55.55} {steps:6,}")
    if len(counts) > _SHOWN:
        print(f"and {len(counts) - _SHOWN} more")
