"""A real event log as the office's commands: one row of the CSV file is one completed step of one case.

The columns that begin with `case:` repeat the case on each of its rows. What the log does not say, but shows:

- Nothing tells when a case was received. It was at the latest when anything happened with it, so it is taken as
  the earliest of its start, its end and its first step (in two cases work began before the start).
- The planned end is the deadline and some hundredths of a second; only where it is another time was it planned.
- Local times carry their offset, so days are those of the office, and clock changes do no harm.
- `EMPTY` and the empty text both stand for no group.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import msgspec

from examples.permits.office import Channel, CloseCase, CompleteStep, PlanEnd, ReceiveCase
from twofold import Command

_NAMESPACE = UUID("5b1d6a52-0c3e-5f0f-9a57-2f4a3f0e7c11")
_ROUNDING = timedelta(seconds=1)
Row = dict[str, str]


class LogError(Exception):
    """The file is no log that this example can read; the message says where and why."""


class Line(msgspec.Struct, frozen=True):
    """A command, when the log has it, and the id under which it has one effect however often it is sent."""

    at: datetime
    case_id: str
    command_id: UUID
    command: Command


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file.

    Raises:
        LogError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeError, csv.Error) as error:
        raise LogError(f"cannot read {path}: {error}") from error


def read_log(path: Path) -> list[Line]:
    """Return a log's commands in the order of time.

    Raises:
        LogError: the file cannot be read, lacks a column, or holds a value that makes no sense.
    """
    return lines_of(read_rows(path))


def lines_of(rows: Iterable[Row], prefix: str = "") -> list[Line]:
    """Return the commands that rows tell of, in the order of time; `prefix` begins every case id and task id.

    Raises:
        LogError: a row lacks a column or holds a value that makes no sense.
    """
    cases: defaultdict[str, list[Row]] = defaultdict(list)
    for number, row in enumerate(rows, 2):
        try:
            cases[row["case:concept:name"]].append(row)
            if row["lifecycle:transition"] != "complete":
                raise LogError(f"row {number}: expected complete steps, found {row['lifecycle:transition']!r}")
        except KeyError as error:
            raise LogError(f"row {number}: there is no column {error}") from error
    lines = [line for case_id, steps in cases.items() for line in _case(prefix, case_id, steps)]
    # The order of one case's lines at one moment is kept, because sorting is stable.
    return sorted(lines, key=lambda line: line.at)


def _case(prefix: str, case_id: str, rows: list[Row]) -> Iterator[Line]:
    try:
        steps = sorted((_step(prefix, row) for row in rows), key=lambda step: step.completed_at)
        case, ended, planned = _received(prefix, rows[0], steps[0]), _time(rows[0], "case:enddate"), _planned(rows[0])
    except (KeyError, ValueError) as error:
        raise LogError(f"case {case_id}: {error!r}") from error
    if ended is not None and ended < case.received_at:
        case = msgspec.structs.replace(case, received_at=ended)
    yield _line(case.received_at, case)
    if abs(planned - case.deadline) > _ROUNDING:
        yield _line(case.received_at, PlanEnd(case.case_id, planned))
    yield from (_line(step.completed_at, step) for step in steps)
    if ended is not None:
        yield _line(ended, CloseCase(case.case_id, ended))


def _received(prefix: str, row: Row, first: CompleteStep) -> ReceiveCase:
    starts_at = datetime.fromisoformat(row["case:startdate"])
    return ReceiveCase(
        case_id=prefix + row["case:concept:name"],
        received_at=min(starts_at, first.completed_at),
        channel=Channel(row["case:channel"]),
        department=row["case:department"],
        responsible=row["case:responsible"],
        starts_at=starts_at,
        deadline=datetime.fromisoformat(row["case:deadline"]),
        group=_group(row["case:group"]),
    )


def _step(prefix: str, row: Row) -> CompleteStep:
    return CompleteStep(
        case_id=prefix + row["case:concept:name"],
        task_id=prefix + row["concept:instance"],
        activity=row["concept:name"],
        resource=row["org:resource"],
        completed_at=datetime.fromisoformat(row["time:timestamp"]),
        group=_group(row["org:group"]),
    )


def _planned(row: Row) -> datetime:
    return _time(row, "case:enddate_planned") or datetime.fromisoformat(row["case:deadline"])


def _time(row: Row, column: str) -> datetime | None:
    return datetime.fromisoformat(row[column]) if row[column] else None


def _group(text: str) -> str | None:
    return None if text in ("", "EMPTY") else text


def _line(at: datetime, command: ReceiveCase | PlanEnd | CompleteStep | CloseCase) -> Line:
    subject = command.task_id if isinstance(command, CompleteStep) else command.case_id
    return Line(at, command.case_id, uuid5(_NAMESPACE, f"{type(command).__name__} {subject}"), command)
