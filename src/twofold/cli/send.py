"""`twofold send`: one command, decided and made durable."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter, validators

from twofold import clock
from twofold.app import App
from twofold.cli.event_preview import show_preview
from twofold.cli.message_command import message_or_help, print_help
from twofold.cli.options import DEFAULT_URL, Body, Help, Json, Target, Url, Words
from twofold.cli.output import for_people, print_json
from twofold.cli.status import CommandLineError
from twofold.cli.target import load_before
from twofold.context import Receipt
from twofold.errors import Contended, Overloaded, StoreError, TimedOut
from twofold.message import Command
from twofold.storage import storage_at
from twofold.write.preview import Preview


def send(
    target: Target | None = None,
    /,
    *words: Words,
    url: Url = DEFAULT_URL,
    id: UUID | None = None,
    expected: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    timeout: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    as_of: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    body: Body = None,
    json: Json = False,
    help: Help = False,
) -> None:
    """Send a command and print its receipt.

    Args:
        id: The command's id; a repeat under the same id has one effect. A new one if left out.
        expected: Decide it only if nothing that it rests on has changed since this position.
        timeout: Within how many seconds it must be decided; no limit if left out.
        dry_run: Print the events that would follow, or the rejection, and store nothing.
        as_of: With --dry-run: decide as if the history ended at this position.
    """
    if target is None:
        if not help:
            raise CommandLineError("expected an application and a command: `twofold send APP NAME field=value …`")
        print_help("send")
        return
    app = load_before("send", target, *words)
    command: Command | None = message_or_help("send", target, app.commands, words, body=body, help_wanted=help)
    if command is None:
        return
    if dry_run or as_of is not None:
        if not dry_run:
            raise CommandLineError("--as-of is for --dry-run: a command is decided now or not at all")
        show_preview(type(command), asyncio.run(_previewed(app, url, command, id, expected, as_of)), json=json)
        return
    receipt = asyncio.run(_sent(app, url, command, id or clock.new_uuid(), expected, timeout))
    if for_people(json):
        _show(type(command), receipt)
    else:
        print_json(receipt)


async def _sent(
    app: App, url: str, command: Command, command_id: UUID, expected: int | None, timeout: float | None
) -> Receipt:
    try:
        async with app.open(url, roles=["write"]) as node:
            return await node.send(command, command_id=command_id, expected=expected, timeout=timeout)
    except (StoreError, Contended, Overloaded, TimedOut) as error:
        # Sent again under the same id, it has one effect even if this time it was stored after all.
        error.add_note(f"the command's id was {command_id}; send it again with --id {command_id}")
        raise


async def _previewed(
    app: App, url: str, command: Command, command_id: UUID | None, expected: int | None, as_of: int | None
) -> Preview:
    is_there = "history" in await storage_at(url).stored()
    with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
        # Where there is no history yet, a dry run makes none: it is decided on an empty one.
        async with app.open(url if is_there else f"sqlite:///{folder}", roles=["write"]) as node:
            return await node.preview(command, command_id=command_id, expected=expected, as_of=as_of)


def _show(kind: type[Command], receipt: Receipt) -> None:
    from rich.text import Text

    from twofold.cli.terminal import console

    outcome: Any = ("accepted before, under the same id", "yellow") if receipt.repeated else ("accepted", "green")
    out = console()
    out.print(Text.assemble((kind.message_name, "bold"), " ", outcome))
    out.print(f"  command id  {receipt.command_id}")
    out.print(f"  position    {receipt.position}")
