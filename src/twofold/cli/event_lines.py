"""Recorded events as lines: for people cut to the terminal's width, for programs as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from twofold.cli.output import Output, for_people, json_line, visible
from twofold.history.record import Recorded

_POSITION, _TIME, _GAP = 9, 19, 2


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
    """Prints an event as a row; rows come one by one, so that the widths are those of the terminal, not of the rows."""

    def __init__(self, output: Output) -> None:
        from twofold.cli.terminal import console

        self._output = output
        self._console = console()
        rest = max(40, self._console.width - _POSITION - _TIME - 4 * _GAP)
        type_, tags = min(28, rest // 4), min(45, rest // 3)
        self._widths = (_POSITION, _TIME, type_, tags, rest - type_ - tags)
        self._begun = False

    def show(self, recorded: Recorded) -> None:
        """Print an event, and the heading before the first one."""
        if not self._begun:
            self._begun = True
            self._print(("position", "time (UTC)", "type", "tags", "payload"), "bold", "bold", "bold", "bold", "bold")
        time = recorded.metadata.time.isoformat(" ", "seconds").partition("+")[0]
        values = (str(recorded.position), time, recorded.type, " ".join(recorded.tags), recorded.payload.decode())
        self._print(values, "", "dim", "cyan", "green", "")

    def _print(self, values: tuple[str, ...], *styles: str) -> None:
        from rich.text import Text

        line = Text()
        for place, (value, style, width) in enumerate(zip(values, styles, self._widths, strict=True)):
            # More than a line of a long payload is never looked at.
            cell = Text(visible(value[: width + 1], lines=False), style)
            cell.truncate(width, overflow="ellipsis")
            cell.align("right" if place == 0 else "left", width)
            line.append_text(cell).append(" " * _GAP)
        line.rstrip()
        with self._console.capture() as captured:
            self._console.print(line, no_wrap=True, crop=False, overflow="ignore")
        self._output.write(captured.get().encode(self._console.encoding, "replace"))


def event_lines(output: Output, json: bool) -> EventLines:
    """Return what prints events to this output: rows for people, else JSON."""
    return TableLines(output) if for_people(json) else JsonLines(output)
