"""Entries of the ledger as lines, one entry as a record, and a chain of causation as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from twofold.cli.output import Output, for_people, json_line, visible
from twofold.cli.rows import GAP, Rows
from twofold.history.ledger import LedgerEntry, Result
from twofold.history.record import Recorded
from twofold.write.causation import Causation

_COLUMNS = (
    ("entry", ""), ("time (UTC)", "dim"), ("command", "cyan"), ("principal", ""), ("outcome", ""), ("ms", "dim"),
    ("what came of it", ""),
)  # fmt: skip
_ENTRY, _TIME, _OUTCOME, _MILLISECONDS = 8, 19, 8, 7


class LedgerLines(Protocol):
    """Prints entries one by one."""

    def show(self, entry: LedgerEntry) -> None:
        """Print an entry."""
        ...


class EntryJson(msgspec.Struct):
    """An entry as a line of JSON; `payload` is the command's own fields as they were stored."""

    entry: int
    time: datetime
    command: str
    command_id: UUID
    payload: msgspec.Raw
    fingerprint: str
    tags: tuple[str, ...]
    principal: str
    tenant: str
    outcome: Result
    code: str | None
    reason: str | None
    events: tuple[int, int] | None
    position: int
    correlation_id: UUID
    causation_id: UUID
    attempts: int
    elapsed: int


def entry_json(entry: LedgerEntry) -> EntryJson:
    """Return an entry as it is printed in JSON."""
    return EntryJson(
        entry=entry.entry,
        time=entry.recorded_at,
        command=entry.type,
        command_id=entry.command_id,
        payload=msgspec.Raw(b"null" if entry.payload is None else entry.payload),
        fingerprint=entry.fingerprint.hex(),
        tags=entry.tags,
        principal=entry.principal,
        tenant=entry.tenant,
        outcome=entry.outcome,
        code=entry.code,
        reason=entry.reason,
        events=(entry.first, entry.last) if entry.first <= entry.last else None,
        position=entry.last,
        correlation_id=entry.correlation_id,
        causation_id=entry.causation_id,
        attempts=entry.attempts,
        elapsed=entry.elapsed,
    )


class JsonLines:
    """Prints an entry as a line of JSON."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, entry: LedgerEntry) -> None:
        """Print an entry."""
        self._output.write(json_line(entry_json(entry)))


class TableLines:
    """Prints an entry as a row."""

    def __init__(self, output: Output) -> None:
        self._rows = Rows(output, _COLUMNS, _widths)

    def show(self, entry: LedgerEntry) -> None:
        """Print an entry, and the heading before the first one."""
        time = entry.recorded_at.isoformat(" ", "seconds").partition("+")[0]
        milliseconds = f"{entry.elapsed / 1000:.1f}"
        self._rows.show(
            str(entry.entry), time, entry.type, entry.principal, entry.outcome, milliseconds, outcome_of(entry)
        )


def _widths(width: int) -> tuple[int, ...]:
    rest = max(50, width - _ENTRY - _TIME - _OUTCOME - _MILLISECONDS - (len(_COLUMNS) - 1) * GAP)
    command, principal = min(26, rest // 3), min(20, rest // 5)
    return (_ENTRY, _TIME, command, principal, _OUTCOME, _MILLISECONDS, rest - command - principal)


def outcome_of(entry: LedgerEntry) -> str:
    """Return what came of a command, in a few words."""
    if entry.outcome != "accepted":
        return f"{entry.code}: {entry.reason}" if entry.reason else str(entry.code)
    match entry.last - entry.first + 1:
        case 0:
            return "no event"
        case 1:
            return f"event {entry.first}"
        case _:
            return f"events {entry.first} to {entry.last}"


def ledger_lines(output: Output, json: bool) -> LedgerLines:
    """Return what prints entries to this output: rows for people, else JSON."""
    return TableLines(output) if for_people(json) else JsonLines(output)


def show_entry(entry: LedgerEntry) -> None:
    """Print all of an entry for people."""
    from rich.table import Table

    from twofold.cli.terminal import console

    table = Table.grid(padding=(0, 2))
    for name, value in _described(entry):
        table.add_row(name, visible(value))
    console().print(table)


def _described(entry: LedgerEntry) -> Sequence[tuple[str, str]]:
    facts = (
        ("entry", str(entry.entry)),
        ("command", entry.type),
        ("command id", str(entry.command_id)),
        ("outcome", f"{entry.outcome}: {outcome_of(entry)}"),
        ("payload", "not kept" if entry.payload is None else entry.payload.decode()),
        ("tags", " ".join(entry.tags)),
        ("principal", entry.principal),
        ("tenant", entry.tenant),
        ("recorded at", entry.recorded_at.isoformat(" ")),
        ("decided in", f"{entry.elapsed / 1000:.1f} ms, attempts: {entry.attempts}"),
        ("belongs to", "" if entry.correlation_id == entry.command_id else str(entry.correlation_id)),
        ("caused by", "" if entry.causation_id == entry.command_id else str(entry.causation_id)),
    )
    return [(name, value) for name, value in facts if value]


def chain_json(chain: Causation) -> dict[str, Any]:
    """Return a chain of causation as it is printed in JSON."""
    return {
        "command": entry_json(chain.command),
        "events": [{"position": event.position, "id": event.id, "type": event.type} for event in chain.events],
        "caused": [chain_json(each) for each in chain.caused],
    }


def show_chain(chain: Causation, asked: UUID) -> None:
    """Print a chain of causation as a tree; the command that was asked for is marked."""
    from twofold.cli.terminal import console

    tree = _branch(None, chain, asked)
    console().print(tree)


def _branch(above: Any, chain: Causation, asked: UUID) -> Any:
    from rich.text import Text
    from rich.tree import Tree

    entry, label = chain.command, Text()
    label.append(visible(entry.type), "bold cyan" if entry.command_id == asked else "cyan")
    label.append(f"  {entry.outcome}", "green" if entry.outcome == "accepted" else "red")
    if entry.outcome != "accepted":
        label.append(f"  {visible(outcome_of(entry), lines=False)}")
    label.append(f"  {entry.command_id}", "dim")
    branch = Tree(label) if above is None else above.add(label)
    # A command that an event caused hangs on the command: most have one event, and none is told twice.
    for event in chain.events:
        branch.add(_event(event))
    for each in chain.caused:
        _branch(branch, each, asked)
    return branch


def _event(event: Recorded) -> Any:
    from rich.text import Text

    return Text.assemble((f"{event.position}  ", "dim"), visible(event.type), (f"  {' '.join(event.tags)}", "green"))
