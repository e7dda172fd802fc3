"""Read models for the suites, and words to fill them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from twofold.history.record import Position
from twofold.message import Event, Occurred
from twofold.model import ReadModel
from twofold.read.store import Advance, Parked, ViewStore
from twofold.read.table import Key, Table
from twofold.read.transaction import BatchTransaction
from twofold.read.view import View

HISTORY = UUID(int=1)
OTHER_HISTORY = UUID(int=2)


class Status(Enum):
    """An enumeration kept as text."""

    OPEN = "open"
    CLOSED = "closed"


class Noted(Event):
    """What the suites' read models are made of; the suites write their rows themselves."""

    name: str
    place: int


class Note(ReadModel, key="name"):
    """A row with a few columns of which some may be empty."""

    name: str
    number: int = 0
    rank: int | None = None
    text: str | None = None
    amount: Decimal | None = None
    done: bool = False
    labels: list[str] = []

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


class NewNote(ReadModel, key="name", name="Note", version=2):
    """The definition that comes after `Note`, under the same name."""

    name: str
    number: int = 0
    comment: str = ""

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


class NewestNote(ReadModel, key="name", name="Note", version=3):
    """The definition that comes after that."""

    name: str
    number: int = 0

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


class Seat(ReadModel, key=("name", "place")):
    """A row whose key has two fields."""

    name: str
    place: int
    taken: bool = False

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


class Stool(ReadModel, key="name", segments=3):
    """A row of a table whose keys are spread over three segments."""

    name: str
    taken: int = 0

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


def indexed(*indexes: str | tuple[str, ...]) -> Table[Any]:
    """Return the table of a read model `Case` with these indexes; whatever they are, its rows are the same."""

    class Case(ReadModel, key="name", indexes=indexes):
        name: str
        status: Status = Status.OPEN
        number: int = 0
        rank: int | None = None
        day: date = date(2026, 1, 1)
        moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)

        def evolve(self, event: Noted) -> None:
            """Do nothing."""

    return Table(Case)


class Tally(ReadModel, key="name", tables={"seen": "name text not null, place integer not null"}):
    """A row of a table that is projected with SQL, with a further table beside it."""

    name: str
    number: int = 0

    @staticmethod
    async def project(events: Sequence[Occurred[Noted]], tx: BatchTransaction) -> None:
        """Do nothing."""


NOTES, NEW_NOTES, NEWEST_NOTES, SEATS = Table(Note), Table(NewNote), Table(NewestNote), Table(Seat)
STOOLS, TALLIES = Table(Stool), Table(Tally)


async def prepared(store: ViewStore, *tables: Table[Any]) -> None:
    """Make tables that are live and empty."""
    for table in tables:
        assert await store.prepare(table, HISTORY) == 0
        assert await store.apply(table, Advance(0, 0, live=True))


async def put(
    store: ViewStore,
    table: Table[Any],
    *instances: Any,
    expected: Position = 0,
    reached: Position | None = None,
    parked: Sequence[Parked] = (),
    live: bool = False,
) -> bool:
    """Apply a batch that stores these rows; it advances by one unless told otherwise."""
    rows = [table.row(instance) for instance in instances]
    reached = expected + 1 if reached is None else reached
    return await store.apply(table, Advance(expected, reached, rows, parked, live))


async def everything(store: ViewStore, table: Table[Any]) -> list[Any]:
    """Return all instances, in the order of their keys."""
    return list(await View(store, table).find())


def key(*values: Any) -> Key:
    """Return a key; the suites' keys are stored as they are."""
    return values
