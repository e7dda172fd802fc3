"""`twofold send`: one command, decided and made durable."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter, validators

from twofold import clock
from twofold.app import App
from twofold.cli.message_command import message_or_help, print_help
from twofold.cli.options import DEFAULT_URL, Body, Help, Json, Target, Url, Words
from twofold.cli.output import for_people, print_json
from twofold.cli.status import CommandLineError
from twofold.cli.target import load
from twofold.context import Receipt
from twofold.errors import Contended, Overloaded, StoreError, TimedOut
from twofold.message import Command


def send(
    target: Target | None = None,
    /,
    *words: Words,
    url: Url = DEFAULT_URL,
    id: UUID | None = None,
    expected: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    timeout: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    body: Body = None,
    json: Json = False,
    help: Help = False,
) -> None:
    """Send a command and print its receipt.

    Args:
        id: The command's id; a repeat under the same id has one effect. A new one if left out.
        expected: Decide it only if nothing that it rests on has changed since this position.
        timeout: Within how many seconds it must be decided; no limit if left out.
    """
    if target is None:
        if not help:
            raise CommandLineError("expected an application and a command: `twofold send APP NAME field=value …`")
        print_help("send")
        return
    app = load(target)
    command: Command | None = message_or_help("send", target, app.commands, words, body=body, help_wanted=help)
    if command is None:
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


def _show(kind: type[Command], receipt: Receipt) -> None:
    from rich.text import Text

    from twofold.cli.terminal import console

    outcome: Any = ("accepted before, under the same id", "yellow") if receipt.repeated else ("accepted", "green")
    out = console()
    out.print(Text.assemble((kind.message_name, "bold"), " ", outcome))
    out.print(f"  command id  {receipt.command_id}")
    out.print(f"  position    {receipt.position}")
