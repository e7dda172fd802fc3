"""An application of long boundaries: every event tells what its decision had seen, and what that came to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import apsw

from twofold import App, Command, Event, Metadata, Tag, WriteModel
from twofold.clock import new_id, new_uuid
from twofold.history.boundary import EVERYTHING, Condition, Selection
from twofold.history.record import Submission
from twofold.history.store import Appended, Decision, History

TallyId = Annotated[str, Tag("tally")]


class Count(Command):
    tally: TallyId
    by: int = 1


class Look(Command):
    tally: TallyId


class Counted(Event):
    tally: TallyId
    by: int
    seen: int
    sum: int


class Looked(Event):
    tally: TallyId
    seen: int
    last: int


class Tally(WriteModel, tag="tally"):
    seen: int = 0
    sum: int = 0
    recent: list[int] = []

    def evolve(self, event: Counted) -> None:
        self.seen += 1
        self.sum = (self.sum * 31 + event.by) % 1_000_003
        self.recent = [*self.recent[-3:], event.by]


class Track(WriteModel, tag="tally"):
    """Takes the metadata: it is read from the history alone."""

    seen: int = 0
    last: int = 0

    def evolve(self, event: Counted | Looked, meta: Metadata) -> None:
        self.seen += 1
        self.last = meta.position


tallies = App("tallies")


@tallies.command
def count(command: Count, tally: Tally) -> Counted:
    return Counted(command.tally, command.by, tally.seen, tally.sum + sum(tally.recent))


@tallies.command
def look(command: Look, track: Track) -> Looked:
    return Looked(command.tally, track.seen, track.last)


async def fill(history: History, tally: str, number: int, *, batch: int = 1_000) -> None:
    """Append so many events of a tally, without deciding them."""
    for start in range(0, number, batch):
        size = min(batch, number - start)
        outcomes = await history.append([_decision(tally, start + n, n) for n in range(size)])
        assert all(isinstance(outcome, Appended) for outcome in outcomes)


def _decision(tally: str, seen: int, before: int) -> Decision:
    event = tallies.codec.propose(Counted(tally, seen % 7, seen, 0), new_id())
    submission = Submission(new_uuid(), "Count", b"{}", is_first=True)
    return Decision(submission, Condition(Selection(), 0, before), (event,))


async def events_in(history: History) -> list[bytes]:
    """Return the payloads of all events."""
    return [recorded.payload async for batch in history.read(EVERYTHING) for recorded in batch]


def rows_in(folder: Path, sql: str = "SELECT key, position, state FROM snapshots") -> Sequence[tuple[object, ...]]:
    """Return rows of the snapshots' file; none if there is no file."""
    path = folder / "snapshots.db"
    if not path.exists():
        return []
    connection = apsw.Connection(str(path))
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
