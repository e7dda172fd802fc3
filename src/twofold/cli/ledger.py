"""`twofold ledger`: every command that was decided, from an event its command, and from a command what it caused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter, validators

from twofold import clock
from twofold.app import App
from twofold.cli.filters import moment, refuse_tags
from twofold.cli.following import until_told
from twofold.cli.ledger_lines import LedgerLines, chain_json, entry_json, ledger_lines, show_chain, show_entry
from twofold.cli.options import DEFAULT_URL, Json, OptionalTarget, Url, require_history
from twofold.cli.output import Output, for_people, print_json, print_note
from twofold.cli.status import CommandLineError
from twofold.cli.target import load
from twofold.history.ledger import Result
from twofold.node import Node

_POLL = 0.2


@Parameter(name="*", negative=())
@dataclass(frozen=True, kw_only=True)
class LedgerFilters:
    """What is asked for on the command line; everything given must hold.

    Attributes:
        command: Commands of this name, or the command of this id, each time that it was decided.
        principal: Sent by this principal.
        tag: Whose own fields carry this tag, `kind:value`; repeat it for commands that carry all of several.
        outcome: Accepted, rejected, or failed.
        since: Recorded at this time or later: `2026-11-05`, `2026-11-05T14:30`, or `90s`, `15m`, `2h`, `3d` ago.
            UTC where no zone is given.
        until: Recorded before this time, given as for `--since`.
        after: Go on behind this entry.
        limit: At most so many entries.
        oldest: The oldest first.
    """

    command: str | None = None
    principal: str | None = None
    tag: list[str] = field(default_factory=list)
    outcome: Result | None = None
    since: str | None = None
    until: str | None = None
    after: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None
    limit: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None
    oldest: Annotated[bool, Parameter(negative=())] = False

    def wanted(self, now: datetime) -> dict[str, Any]:
        """Return the arguments of `Node.ledger`, but for the page.

        Raises:
            CommandLineError: a tag or a time cannot be read.
        """
        refuse_tags(self.tag)
        wanted: dict[str, Any] = {
            "principal": self.principal,
            "tags": self.tag,
            "outcome": self.outcome,
            "since": moment(self.since, "--since", now),
            "until": moment(self.until, "--until", now),
        }
        if self.command is not None:
            id_ = _id_in(self.command)
            wanted |= {"command": self.command} if id_ is None else {"command_id": id_}
        return wanted


_NO_FILTERS = LedgerFilters()


def ledger(
    target: OptionalTarget = None,
    /,
    *,
    filters: LedgerFilters = _NO_FILTERS,
    event: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    of: UUID | None = None,
    follow: Annotated[bool, Parameter(negative=())] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """List the commands that were decided, the newest first.

    Args:
        event: Show the command that appended the event at this position.
        of: Show the command of this id with its events, what caused it, and what it caused.
        follow: Go on as commands are decided, from now on or from `--after`, until Ctrl-C, SIGTERM or `--limit`.
    """
    if (event is not None) + (of is not None) + (follow or filters != _NO_FILTERS) > 1:
        raise CommandLineError("expected one of --event, --of, or what to list; found several")
    _note_unknown_command(target, filters)
    wanted = filters.wanted(clock.now())
    require_history(url)
    if event is not None:
        asyncio.run(_command_of(url, event, json))
    elif of is not None:
        asyncio.run(_chain_of(url, of, json))
    elif follow:
        asyncio.run(_follow_until_told(url, filters, wanted, Output(), json))
    else:
        asyncio.run(_list(url, filters, wanted, Output(), json))


async def _list(url: str, filters: LedgerFilters, wanted: dict[str, Any], output: Output, json: bool) -> None:
    lines = ledger_lines(output, json)
    async with _history_of(url) as node:
        async for entry in node.ledger(**wanted, after=filters.after, newest=not filters.oldest, limit=filters.limit):
            lines.show(entry)
    output.flush()


async def _command_of(url: str, position: int, json: bool) -> None:
    async with _history_of(url) as node:
        found = [entry async for entry in node.ledger(position=position, limit=1)]
        head = await node.history.head()
    if not found:
        raise CommandLineError(
            f"--event: no command is kept for position {position}"
            + (f"; the history ends at {head}" if position > head else "; the ledger has forgotten it")
        )
    if for_people(json):
        show_entry(found[0])
    else:
        print_json(entry_json(found[0]))


async def _chain_of(url: str, command_id: UUID, json: bool) -> None:
    async with _history_of(url) as node:
        chain = await node.causation(command_id)
    if chain is None:
        raise CommandLineError(f"--of: no command of the id {command_id} is in the ledger")
    if for_people(json):
        show_chain(chain, command_id)
    else:
        print_json(chain_json(chain))


async def _follow_until_told(
    url: str, filters: LedgerFilters, wanted: dict[str, Any], output: Output, json: bool
) -> None:
    async with until_told(output) as follow, _history_of(url) as node:
        newest = [entry.entry async for entry in node.ledger(limit=1)]
        after = filters.after if filters.after is not None else max(newest, default=0)
        await follow(_follow(node, wanted, after, filters.limit, ledger_lines(output, json), output))


async def _follow(
    node: Node, wanted: dict[str, Any], after: int, limit: int | None, lines: LedgerLines, output: Output
) -> None:
    while limit is None or limit > 0:
        async for entry in node.ledger(**wanted, after=after, newest=False, limit=limit):
            lines.show(entry)
            after, limit = entry.entry, None if limit is None else limit - 1
        output.flush()
        # A rejection does not move the head, by which the history wakes those who wait.
        await asyncio.sleep(_POLL)


@contextlib.asynccontextmanager
async def _history_of(url: str) -> AsyncIterator[Node]:
    # No application is needed to read the ledger, so nothing of one is wired, and no projection is begun.
    async with App("ledger").open(url, roles=["write"]) as node:
        yield node


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _note_unknown_command(target: str | None, filters: LedgerFilters) -> None:
    if target is None or filters.command is None or _id_in(filters.command) is not None:
        return
    known = {command.message_name for command in load(target).commands}
    if filters.command not in known:
        print_note(
            f"note: the application has no command {filters.command!r} (now); it has: {', '.join(sorted(known))}"
        )
