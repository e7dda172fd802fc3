"""Recorded events as lines: for people cut to the terminal's width, for programs as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from twofold.cli.output import Output, for_people, json_line
from twofold.cli.rows import GAP, Rows
from twofold.history.record import Recorded

_POSITION, _TIME = 9, 19
_COLUMNS = (("position", ""), ("time (UTC)", "dim"), ("type", "cyan"), ("tags", "green"), ("payload", ""))


class EventLines(Protocol):
    """Prints events one by one."""

    def show(self, recorded: Recorded) -> None:
        """Print an event."""
        ...


class EventJson(msgspec.Struct):
    """An event as a line of JSON; `payload` is the event's own fields, exactly as written."""

    position: int
    time: datetime
    type: str
    version: int
    tags: msgspec.Raw
    payload: msgspec.Raw
    id: UUID
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID
    principal: str
    tenant: str


class JsonLines:
    """Prints an event as a line of JSON."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, recorded: Recorded) -> None:
        """Print an event."""
        metadata = recorded.metadata
        self._output.write(
            json_line(
                EventJson(
                    position=recorded.position,
                    time=metadata.time,
                    type=recorded.type,
                    version=recorded.version,
                    tags=msgspec.Raw(recorded.tag_text),
                    payload=msgspec.Raw(recorded.payload),
                    id=metadata.event_id,
                    command_id=metadata.command_id,
                    correlation_id=metadata.correlation_id,
                    causation_id=metadata.causation_id,
                    principal=metadata.principal,
                    tenant=metadata.tenant,
                )
            )
        )


class TableLines:
    """Prints an event as a row."""

    def __init__(self, output: Output) -> None:
        self._rows = Rows(output, _COLUMNS, _widths)

    def show(self, recorded: Recorded) -> None:
        """Print an event, and the heading before the first one."""
        time = recorded.metadata.time.isoformat(" ", "seconds").partition("+")[0]
        tags = " ".join(recorded.tags)
        self._rows.show(str(recorded.position), time, recorded.type, tags, recorded.payload.decode())


def _widths(width: int) -> tuple[int, ...]:
    rest = max(40, width - _POSITION - _TIME - 4 * GAP)
    type_, tags = min(28, rest // 4), min(45, rest // 3)
    return (_POSITION, _TIME, type_, tags, rest - type_ - tags)


def event_lines(output: Output, json: bool) -> EventLines:
    """Return what prints events to this output: rows for people, else JSON."""
    return TableLines(output) if for_people(json) else JsonLines(output)
