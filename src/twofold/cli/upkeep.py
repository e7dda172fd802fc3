"""`twofold models rebuild | verify | parked | retry | drop`: what is done with read models beside asking them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

from cyclopts import Parameter

from twofold.app import App
from twofold.cli.options import DEFAULT_URL, Json, Target, Url, Views, require_history, views_in
from twofold.cli.output import for_people, print_json, visible
from twofold.cli.progress import Progress
from twofold.cli.status import CommandLineError, Status
from twofold.cli.target import load_before
from twofold.models import Models, open_models
from twofold.read.comparison import Compared
from twofold.read.parking import ParkedKey, Retried
from twofold.read.rebuild import Rebuilt

Name: TypeAlias = Annotated[str, Parameter(name="NAME", help="The read model's name.")]
OptionalName: TypeAlias = Annotated[
    str | None, Parameter(name="NAME", help="The read model's name; all of them if left out.")
]
_KEY = "The key as `parked` shows it; of a key of one field, the value alone will do."
Key: TypeAlias = Annotated[str, Parameter(name="KEY", allow_leading_hyphen=True, help=_KEY)]
OptionalKey: TypeAlias = Annotated[
    str | None, Parameter(name="KEY", allow_leading_hyphen=True, help=f"{_KEY} All keys if left out.")
]
Flag: TypeAlias = Annotated[bool, Parameter(negative=())]
R = TypeVar("R")


def rebuild(
    target: Target,
    name: Name,
    /,
    *,
    undo: Flag = False,
    force: Flag = False,
    url: Url = DEFAULT_URL,
    views: Views = (),
    json: Json = False,
) -> None:
    """Build a read model anew beside what is live, compare the two, and exchange them.

    Queries are answered all the time, here and by any other process. Interrupting it leaves what is live as it was.

    Args:
        undo: Go back to what was live before the last rebuild, brought up to date.
        force: Exchange them even if more keys are parked in the new one.
    """

    async def work(models: Models) -> Rebuilt:
        with Progress(f"{'undoing' if undo else 'rebuilding'} {name}", 0) as bar:
            return await models.rebuild(name, undo=undo, force=force, progress=bar.reached)

    found = _run(load_before("models rebuild", target, name), url, views, work)
    if not for_people(json):
        print_json(found)
        return
    print(f"{found.model} is exchanged: {found.rows:,} rows, live at position {found.position:,}")
    if found.differing is not None:
        print(f"before, {found.differing:,} rows differed, {found.missing:,} were missing, {found.surplus:,} too many")
    if found.mended:
        print(f"{found.mended:,} keys are parked no more")
    if found.parked:
        print(f"{found.parked:,} keys are parked; see `twofold models parked`")


def verify(
    target: Target, name: OptionalName = None, /, *, url: Url = DEFAULT_URL, views: Views = (), json: Json = False
) -> Status:
    """Fold the history once more, and compare every row of a read model with what comes of it.

    The read model goes on meanwhile. The exit status is 1 if any row is not what the history makes of it.
    """
    app = load_before("models verify", target, name)

    async def work(models: Models) -> list[Compared]:
        found: list[Compared] = []
        for each in _names(app, name):
            with Progress(f"verifying {each}", 0) as bar:
                found.append(await models.verify(each, progress=bar.reached))
        return found

    found = _run(app, url, views, work)
    if not for_people(json):
        print_json(found)
    for each in found if for_people(json) else ():
        told = f"{len(each.differences):,} differ" if each.differences else "all as the history makes them"
        parked = f"; {each.parked:,} keys are parked, and were left out" if each.parked else ""
        print(f"{each.model}: {each.rows:,} rows, {told}{parked}")
        for difference in each.differences:
            fields = f": {', '.join(difference.fields)}" if difference.fields else ""
            print(visible(f"  {difference.key} is {difference.kind}{fields}", lines=False))
    return Status.DIFFERS if any(each.differences for each in found) else Status.DONE


def parked(
    target: Target, name: OptionalName = None, /, *, url: Url = DEFAULT_URL, views: Views = (), json: Json = False
) -> None:
    """Show the keys of which an event could not be applied, with the error and what waits behind it."""
    app = load_before("models parked", target, name)

    async def work(models: Models) -> list[tuple[str, ParkedKey]]:
        return [(each, key) for each in _names(app, name) for key in await models.parked(each)]

    found = _run(app, url, views, work)
    if not for_people(json):
        facts = ("key", "error", "positions", "types")
        print_json([{"model": model, **{fact: getattr(key, fact) for fact in facts}} for model, key in found])
        return
    from twofold.cli.terminal import console, new_table

    table = new_table("", "read model", "key", "first at", "event", "events", "error", right=("first at", "events"))
    for model, key in found:
        words = (key.key, f"{key.positions[0]:,}", key.types[0], f"{len(key.positions):,}", key.error)
        table.add_row(model, *(visible(word, lines=False) for word in words))
    console().print(table if found else "nothing is parked")


def retry(
    target: Target,
    name: Name,
    key: OptionalKey = None,
    /,
    *,
    url: Url = DEFAULT_URL,
    views: Views = (),
    json: Json = False,
) -> Status:
    """Apply the parked events of a key, or of all, in their order, with the code as it is now.

    A key of which an event fails again is left as it was; the exit status is then 5.
    """

    async def work(models: Models) -> Sequence[Retried]:
        return await models.retry_parked(name, key)

    found = _run(load_before("models retry", target, name, key), url, views, work)
    if not for_people(json):
        print_json(found)
    for each in found if for_people(json) else ():
        told = f"{each.events:,} events were applied" if not each.error else f"left parked at {each.position}: "
        print(visible(f"{each.key}: {told}{each.error}", lines=False))
    return Status.FAILED if any(each.error for each in found) else Status.DONE


def drop(
    target: Target,
    name: Name,
    key: Key,
    /,
    *,
    yes: Flag = False,
    url: Url = DEFAULT_URL,
    views: Views = (),
    json: Json = False,
) -> None:
    """Give up all parked events of a key. Its row is then not what the history makes of it.

    Args:
        yes: Do not ask.
    """
    app = load_before("models drop", target, name, key)
    require_history(url)
    if not yes:
        _ask(f"give up all parked events of {name} under {key}?")

    async def work(models: Models) -> int:
        return await models.drop_parked(name, key)

    count = _run(app, url, views, work)
    if for_people(json):
        print(f"{count:,} events were given up; a rebuild would park them again")
    else:
        print_json({"model": name, "key": key, "events": count})


def _run(app: App, url: str, views: Sequence[str], work: Callable[[Models], Awaitable[R]]) -> R:
    """Do something with the read models where they are kept; no projection is begun for that."""
    require_history(url)

    async def run() -> R:
        async with open_models(app, url, views=views_in(views)) as models:
            return await work(models)

    return asyncio.run(run())


def _names(app: App, name: str | None) -> list[str]:
    return sorted(table.name for table in app.tables.values()) if name is None else [name]


def _ask(question: str) -> None:
    """Go on if whoever sits at the terminal says yes."""
    if not sys.stdin.isatty():
        raise CommandLineError(f"{question} Say so with --yes; there is no terminal to ask at")
    print(visible(f"{question} [y/N] ", lines=False), end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandLineError("nothing was given up")


COMMANDS: Sequence[Callable[..., Any]] = (rebuild, verify, parked, retry, drop)
