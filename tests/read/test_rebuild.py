"""A fold does not depend on where its batches end, nor on restarts: live rows equal rebuilt ones (R3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.virtual import run_virtually
from tests.read.rig import append, projector_of, table_of
from twofold import Event, Metadata, ReadModel, Tag
from twofold.engines.memory import MemoryHistory, MemoryViews


class Mood(Enum):
    FAIR = "fair"
    FOUL = "foul"


class Measured(Event):
    ship: Annotated[int, Tag("ship")]
    at: datetime
    knots: float
    count: int
    price: Decimal
    day: date
    mood: Mood
    port: UUID
    note: str | None


class Stop(msgspec.Struct):
    port: UUID
    days: list[date] = []
    mood: Mood = Mood.FAIR


class Log(ReadModel, key="ship"):
    """Keeps values of every kind, and writes down how each looked when the next event came."""

    ship: int
    at: datetime | None = None
    knots: float = 0
    sum: Decimal = Decimal(0)
    last: Decimal = Decimal(0)
    mood: Mood = Mood.FAIR
    stops: list[Stop] = []
    seen: set[str] = set()
    by_mood: dict[Mood, int] = {}
    by_port: dict[UUID, float] = {}
    numbers: set[int] = set()
    moods: dict[str, frozenset[Mood]] = {}
    rates: list[float] = []
    pair: tuple[int, str | None] = (0, None)
    looked: list[str] = []

    def evolve(self, event: Measured, meta: Metadata) -> None:
        self.looked = [*self.looked[-3:], self.look()]
        self.at = event.at
        self.knots = event.count if event.count % 2 else event.knots
        self.sum += event.price
        self.last = event.price
        self.mood = event.mood
        if self.stops and self.stops[-1].port == event.port:
            self.stops[-1].days.append(event.day)
        else:
            self.stops.append(Stop(event.port, [event.day], event.mood))
        if event.note is not None:
            self.seen.add(event.note)
        self.by_mood[event.mood] = self.by_mood.get(event.mood, 0) + 1
        self.by_port[event.port] = event.knots
        # In one hash table of eight places these collide, so that a set's own order tells in which order they came.
        self.numbers.add(event.count * 8)
        self.moods["all"] = self.moods.get("all", frozenset()) | {event.mood}
        self.rates.append(event.count)
        self.pair = (meta.position, event.note)

    def look(self) -> str:
        values = (
            self.at and self.at.isoformat(),
            self.at and self.at.date(),
            self.knots,
            self.sum,
            self.last,
            self.mood,
        )
        nested = (self.stops[-1:], sorted(self.seen), list(self.by_mood.items()), list(self.by_port.items()), self.pair)
        return f"{values!r} {nested!r}"


measurements = st.builds(
    Measured,
    ship=st.integers(0, 2),
    at=st.datetimes(
        datetime(1990, 1, 1),
        datetime(2040, 1, 1),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-5, minutes=30))]),
    ),
    knots=st.floats(0, 40),
    count=st.integers(0, 9),
    price=st.decimals(0, 1000, places=2) | st.sampled_from([Decimal(text) for text in ("1E+3", "-0", "-0.00", "1E-9")]),
    day=st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    mood=st.sampled_from(Mood),
    port=st.sampled_from([UUID(int=1), UUID(int=2)]),
    note=st.none() | st.sampled_from(["calm", "storm", "Ærø"]),
)


async def projected(events: Sequence[Measured], sizes: Sequence[int], restarts: bool) -> Any:
    """Project events in batches of these sizes, with or without a new projector for each; return rows and parked."""
    history, store = MemoryHistory(), MemoryViews()
    projector = projector_of(Log, history, store)
    await projector.prepare()
    left = list(events)
    for size in [*sizes, len(left) + 1]:
        await append(history, *left[:size])
        del left[:size]
        if restarts:
            projector = projector_of(Log, history, store)
            await projector.prepare()
        await projector.catch_up()
    kept = store._tables[table_of(Log).versioned_name]
    return kept.rows, kept.parked


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(measurements, max_size=12), st.lists(st.integers(1, 4), max_size=8), st.booleans())
def test_rows_do_not_depend_on_where_batches_end(events: list[Measured], sizes: list[int], restarts: bool) -> None:
    whole, parked = run_virtually(projected(events, [], False))
    assert parked == []
    assert run_virtually(projected(events, sizes, restarts)) == (whole, [])
    assert run_virtually(projected(events, [1] * len(events), True)) == (whole, [])


def test_a_set_is_one_text_in_whatever_order_it_was_filled() -> None:
    table = table_of(Log)
    forward, backward = Log(1), Log(1)
    for number in (0, 8, 16, 24):
        forward.numbers.add(number)
        backward.numbers.add(24 - number)
    assert list(forward.numbers) != list(backward.numbers), "the two do not differ inside; choose other numbers"
    assert table.row(forward) == table.row(backward)
    assert table.instance(table.row(forward)) == forward


class Blob(ReadModel, key="ship"):
    ship: int
    content: bytes = b""

    def evolve(self, event: Measured) -> None: ...


def test_a_number_is_not_taken_for_so_many_bytes() -> None:
    blob = Blob(1)
    blob.content = 5  # type: ignore[assignment]
    with pytest.raises(TypeError, match="content: expected bytes, found int"):
        table_of(Blob).row(blob)
