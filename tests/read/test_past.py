"""`as_of`: an answer from the history as it stood, equal to that of an application that was projected only so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Annotated, Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.bank import Deposit, GetStatement, bank
from tests.read.rig import codec_of, table_of
from tests.read.takings import Priced, Sold, Takings
from twofold import App, Command, Event, Metadata, Query, ReadModel, Tag, View
from twofold.clock import new_id
from twofold.engines.memory import MemoryHistory, MemoryViews
from twofold.errors import InvalidMessage, NoPast, RoleMissing, UnknownPosition
from twofold.history.boundary import Condition, Criterion, Selection
from twofold.history.codec import Codec
from twofold.history.moment import position_at
from twofold.history.record import Position, Submission
from twofold.history.store import Decision
from twofold.model import Delete, row_keys
from twofold.read import past
from twofold.read.freshness import Freshness
from twofold.read.past import PastRows, selection_of
from twofold.read.projector import Projector


class Color(Enum):
    RED = "red"
    BLUE = "blue"


Room = Annotated[str, Tag("room")]
Paint = Annotated[Color, Tag("paint")]


class Painted(Event):
    room: Room
    paint: Paint


class Joined(Event):
    """Carries the tag of a room twice: of the one, and of its neighbour."""

    room: Room
    neighbour: Room


class Noted(Event):
    room: str
    note: int


class Wall(ReadModel, key="room"):
    """By a field that carries a tag in some of its events; poisoned by a note, and deleted by another."""

    room: str
    colors: list[Color] = []
    notes: int = 0

    def evolve(self, event: Painted | Joined | Noted) -> Delete | None:
        match event:
            case Painted(paint=paint):
                self.colors = [*self.colors, paint]
            case Joined():
                self.colors = []
            case Noted(note=0):
                raise ValueError("poison")
            case Noted(note=1):
                return Delete()
            case Noted(note=note):
                self.notes += note
        return None


class Use(ReadModel, key=("paint", "room")):
    """By two fields, both of them tags."""

    paint: Color
    room: str
    times: int = 0

    def evolve(self, event: Painted) -> None:
        self.times += 1


class Pair(ReadModel, key="room"):
    """By a function: an event belongs to several rows."""

    room: str
    joins: int = 0

    @staticmethod
    def keys(event: Joined | Noted) -> Iterable[str | None]:
        if isinstance(event, Noted) and event.note == 0:
            raise ValueError("it cannot tell")
        if isinstance(event, Noted) and event.note == 3:
            return event.room, None
        return (event.room, event.neighbour) if isinstance(event, Joined) else (event.room,)

    def evolve(self, event: Joined | Noted) -> None:
        self.joins += isinstance(event, Joined)


class Day(ReadModel, key="day"):
    """By the metadata."""

    day: date
    events: list[int] = []

    @staticmethod
    def keys(event: Painted | Noted, meta: Metadata) -> Iterable[date]:
        return [meta.time.date()]

    def evolve(self, event: Painted | Noted, meta: Metadata) -> None:
        self.events = [*self.events, meta.position]


TODAY = date(2026, 11, 30)
ROOMS = ("a", "b", "c")
MODELS: dict[type[ReadModel], list[tuple[Any, ...]]] = {
    Wall: [(room,) for room in ROOMS],
    Use: [(color, room) for color in Color for room in ROOMS],
    Pair: [(room,) for room in ROOMS],
    Day: [(TODAY + timedelta(days=n),) for n in range(4)],
}
rooms, colors = st.sampled_from(ROOMS), st.sampled_from(Color)
EVENTS = st.lists(
    st.one_of(
        st.builds(Painted, rooms, colors), st.builds(Joined, rooms, rooms), st.builds(Noted, rooms, st.integers(0, 3))
    ),
    max_size=8,
)


class Truncated(MemoryHistory):
    """A history that ends earlier."""

    def __init__(self, whole: MemoryHistory, head: Position) -> None:
        super().__init__()
        self.id = whole.id
        self._events, self._tagged, self._typed = whole._events[:head], whole._tagged, whole._typed


async def history_of(events: Sequence[Event], minutes: Sequence[int] = ()) -> MemoryHistory:
    """Return a history of events, recorded eight hours apart, or so many minutes after its beginning."""
    times = iter(minutes or range(0, 480 * len(events), 480))
    start = datetime(2026, 11, 30, 1, tzinfo=UTC)
    history = MemoryHistory(now=lambda: start + timedelta(minutes=next(times)))
    codec = Codec()
    for event in events:
        submission = Submission(command_id=uuid4(), type="Told", payload=b"{}")
        await history.append([Decision(submission, Condition(Selection()), (codec.propose(event, new_id()),))])
    return history


async def compare(events: Sequence[Event]) -> None:
    """Compare the rows of every past of a history with what is projected up to there."""
    history = await history_of(events)
    for position in range(len(events) + 1):
        for model, keys in MODELS.items():
            table, codec, views = table_of(model), codec_of(model), MemoryViews()
            projector = Projector(table, Truncated(history, position), views, codec, Freshness(views))
            await projector.prepare()
            await projector.catch_up()
            today, then = View(views, table), View(PastRows(history, codec, views, position), table)
            for key in keys:
                assert await then.get(*key) == await today.get(*key), f"{model.__name__} {key} as of {position}"
            assert await then.get_many(keys) == await today.get_many(keys)


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_every_past_is_what_would_have_been_projected_up_to_there(events: list[Event]) -> None:
    asyncio.run(compare(events))


STORY: list[Event] = [
    Painted("a", Color.RED), Painted("b", Color.RED), Joined("b", "a"), Noted("a", 2), Painted("a", Color.BLUE),
    Noted("b", 1), Painted("b", Color.BLUE), Noted("a", 0), Painted("a", Color.RED), Noted("c", 3),
]  # fmt: skip


def by_tag_alone(table: Any, keys: Iterable[Any]) -> Selection:
    """Planted: only events that carry the key as a tag, whether or not all of the model's events do."""
    whole = selection_of(table, keys)
    return Selection(tuple(each for each in whole.criteria if each.tags))


def by_first_tag(table: Any, keys: Iterable[Any]) -> Selection:
    """Planted: the keys of a model that tells them by a function are taken for its tags."""
    return Selection(tuple(Criterion(table.event_names, (f"room:{key[0]}",)) for key in keys))


class Endless(PastRows):
    """Planted: the past has no end."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._position = 2**63 - 1


class Careless(past._Folds):
    """Planted: what a row cannot take is left out, and the row goes on."""

    def take(self, recorded: Any) -> None:
        before = set(self._going_on)
        super().take(recorded)
        self._going_on = before


class Keyless(past._Folds):
    """Planted: every event that was selected is folded."""

    def _touched(self, happening: Any) -> Any:
        return [(key, key) for key in self.rows]


class HalfKeyed(past._Folds):
    """Planted: an event of which one key is missing belongs to the others."""

    def _touched(self, happening: Any) -> Any:
        table = self._folding.table
        try:
            found = list(row_keys(table.model)(happening.event, happening.metadata))
        except ValueError:
            return []
        return [(table.key_of(values), values) for values in found if None not in values]


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("selection_of", by_tag_alone),
        ("selection_of", by_first_tag),
        ("_Folds", Careless),
        ("_Folds", Keyless),
        ("_Folds", HalfKeyed),
    ],
)
def test_a_planted_bug_is_found(name: str, planted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(compare(STORY))
    monkeypatch.setattr(past, name, planted)
    with pytest.raises(AssertionError, match="as of"):
        asyncio.run(compare(STORY))


def test_a_past_without_an_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PastRows", Endless)
    with pytest.raises(AssertionError, match="as of"):
        asyncio.run(compare(STORY))


def test_only_events_of_the_key_are_read_where_tags_tell_them() -> None:
    assert selection_of(table_of(Wall), [("a",)]) == Selection((
        Criterion(("Painted",), ("room:a",)), Criterion(("Joined",), ("room:a",)), Criterion(("Noted",)),
    ))  # fmt: skip
    assert selection_of(table_of(Use), [("red", "a")]) == Selection((Criterion(("Painted",), ("paint:red", "room:a")),))
    assert selection_of(table_of(Pair), [("a",)]) == Selection((Criterion(("Joined", "Noted")),))


class PaintWall(Command):
    room: Room
    paint: Paint = Color.RED


class Colors(Query[list[Color] | None]):
    room: str


class HowMany(Query[int]):
    kind: str


app = App("rooms")


@app.command
def do_paint(command: PaintWall) -> Painted:
    return Painted(command.room, command.paint)


@app.query
async def colors_of(query: Colors, walls: View[Wall]) -> list[Color] | None:
    wall = await walls.get(query.room)
    again = await walls.get(query.room)
    assert wall == again
    return None if wall is None else wall.colors


@app.query
async def how_many(query: HowMany, walls: View[Wall]) -> int:
    match query.kind:
        case "find":
            return len(await walls.find())
        case "sql":
            return len(await walls.sql(""))
        case _:
            return await walls.count()


@pytest.mark.anyio
@pytest.mark.parametrize("engine", ["memory", "sqlite"])
async def test_a_query_is_asked_as_of_a_position_a_receipt_and_a_time(engine: str, tmp_path: Any) -> None:
    async with app.open("memory:" if engine == "memory" else f"sqlite:///{tmp_path}") as node:
        receipts = [await node.send(PaintWall("a", color)) for color in (Color.RED, Color.BLUE)]
        await node.send(PaintWall("b"))
        assert await node.ask(Colors("a"), as_of=0) is None
        assert await node.ask(Colors("a"), as_of=receipts[0]) == [Color.RED]
        assert (await node.answer(Colors("a"), as_of=2)).position == 2
        assert await node.session(after=3).ask(Colors("a"), as_of=1) == [Color.RED]
        times = [recorded.metadata.time async for recorded in node.events()]
        assert await node.ask(Colors("a"), as_of=times[0] - timedelta(seconds=1)) is None
        for moment in (times[-1], datetime.now(UTC) + timedelta(days=1)):
            answer = await node.answer(Colors("b"), as_of=moment)
            assert (answer.value, answer.position) == ([Color.RED], 3)


@pytest.mark.anyio
async def test_what_cannot_be_asked_of_the_past_is_refused_with_the_reason() -> None:
    async with app.open("memory:") as node:
        await node.send(PaintWall("a"))
        for kind in ("find", "count", "sql"):
            with pytest.raises(NoPast, match="only rows by key") as caught:
                await node.ask(HowMany(kind), as_of=1)
            assert caught.value.model == "Wall"
        with pytest.raises(UnknownPosition) as unknown:
            await node.ask(Colors("a"), as_of=2)
        assert unknown.value.facts == {"position": 2, "head": 1}
        for wrong in (datetime(2026, 1, 1), -1, "yesterday"):
            with pytest.raises(InvalidMessage, match="as_of: expected"):
                await node.ask(Colors("a"), as_of=wrong)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_node_that_may_not_see_the_history_knows_no_past(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with bank.open(url) as node, bank.open(url, roles=["read"]) as reader:
        await node.send(Deposit("a"))
        await node.send(Deposit("a"))
        found = await node.ask(GetStatement("a"), as_of=1)
        assert found is not None
        assert found.balance == 1
        with pytest.raises(RoleMissing):
            await reader.ask(GetStatement("a"), as_of=1)


async def takings_as_of(position: Position, *events: Event) -> Takings | None:
    rows = PastRows(await history_of(events), codec_of(Takings), MemoryViews(), position)
    return await View(rows, table_of(Takings)).get("a")


@pytest.mark.anyio
async def test_what_sql_has_made_of_all_events_has_no_past() -> None:
    with pytest.raises(NoPast, match="it is projected in batches"):
        await takings_as_of(2, Priced("tea", 3), Sold("a", "tea", 0))


def by_definition(minutes: Sequence[int], moment: int) -> int:
    return sum(minute <= moment for minute in minutes)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 20), max_size=12).map(sorted), st.integers(-1, 21))
def test_a_time_is_the_last_position_that_was_recorded_by_then(minutes: list[int], moment: int) -> None:
    async def main() -> None:
        history = await history_of([Noted("a", 2)] * len(minutes), minutes)
        start = datetime(2026, 11, 30, 1, tzinfo=UTC)
        assert await position_at(history, start + timedelta(minutes=moment)) == by_definition(minutes, moment)

    asyncio.run(main())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.lists(st.integers(15, 20), max_size=5))
def test_where_a_clock_was_set_back_a_time_is_one_place_and_stays_it(minutes: list[int], later: list[int]) -> None:
    async def main() -> None:
        events = [Noted("a", 2)] * (len(minutes) + len(later))
        history = await history_of(events, [*minutes, *later])
        moment = datetime(2026, 11, 30, 1, 10, tzinfo=UTC)
        found = await position_at(Truncated(history, len(minutes)), moment)
        assert found == 0 or minutes[found - 1] <= 10
        assert found == len(minutes) or minutes[found] > 10
        assert await position_at(history, moment) == found

    asyncio.run(main())
