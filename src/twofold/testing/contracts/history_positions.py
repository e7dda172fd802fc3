"""H1 and H3: positions are dense and in order; a decision is stored whole, and its events are adjacent."""

from __future__ import annotations

from twofold.history.store import Appended, Conflict, Duplicate, History
from twofold.testing.contracts.making import REJECTED, append, append_one, command, decided, event, fill, on, positions
from twofold.testing.contracts.making import read as read_all
from twofold.testing.contracts.suite import HistorySuite


class HistoryPositions(HistorySuite):
    """Positions are 1, 2, 3 … without a gap, whatever is refused in between."""

    async def test_a_new_history_is_empty(self, history: History) -> None:
        assert await history.head() == 0
        assert await read_all(history) == []

    async def test_the_first_event_is_at_position_one(self, history: History) -> None:
        assert await append_one(history, decided(event())) == Appended(1, 1)
        assert await history.head() == 1

    async def test_an_append_tells_the_first_and_the_last_position(self, history: History) -> None:
        await fill(history, event())
        assert await append_one(history, decided(event(), event(), event())) == Appended(2, 4)

    async def test_decisions_of_one_batch_are_in_its_order(self, history: History) -> None:
        outcomes = await append(history, decided(event("A"), event("B")), decided(event("C")), decided(event("D")))
        assert outcomes == [Appended(1, 2), Appended(3, 3), Appended(4, 4)]
        assert [(each.position, each.type) for each in await read_all(history)] == [
            (1, "A"), (2, "B"), (3, "C"), (4, "D"),
        ]  # fmt: skip

    async def test_an_empty_batch_changes_nothing(self, history: History) -> None:
        assert list(await history.append([])) == []
        assert await history.head() == 0

    async def test_a_decision_without_events_tells_the_head(self, history: History) -> None:
        assert await append_one(history, decided()) == Appended(0, 0)
        await fill(history, event(), event())
        assert await append_one(history, decided()) == Appended(2, 2)
        assert await append(history, decided(event()), decided()) == [Appended(3, 3), Appended(3, 3)]
        assert await history.head() == 3

    async def test_conflicts_take_no_position(self, history: History) -> None:
        await fill(history, event("A", "x:1"))
        stale = decided(event(), event(), on=on("x:1"))
        outcomes = await append(history, decided(event()), stale, decided(event()))
        assert outcomes == [Appended(2, 2), Conflict(2), Appended(3, 3)]
        assert await positions(history) == [1, 2, 3]
        assert await history.head() == 3

    async def test_duplicates_take_no_position(self, history: History) -> None:
        sent = command()
        await append_one(history, decided(event(), by=sent))
        outcomes = await append(history, decided(event()), decided(event(), by=sent), decided(event()))
        assert outcomes == [Appended(2, 2), Duplicate(1, True), Appended(3, 3)]
        assert await positions(history) == [1, 2, 3]

    async def test_rejections_take_no_position(self, history: History) -> None:
        outcomes = await append(history, decided(event()), decided(rejection=REJECTED), decided(event()))
        assert outcomes == [Appended(1, 1), Appended(1, 1), Appended(2, 2)]
        assert await positions(history) == [1, 2]

    async def test_a_conflicting_decision_stores_none_of_its_events(self, history: History) -> None:
        await fill(history, event("A", "x:1"))
        await append_one(history, decided(event("B", "x:1"), event("B", "y:1"), event("B"), on=on("x:1")))
        assert [each.type for each in await read_all(history)] == ["A"]
        assert await read_all(history, on("y:1")) == []
        assert await read_all(history, on(types=["B"])) == []

    async def test_events_of_one_decision_are_adjacent_and_in_order(self, history: History) -> None:
        batch = [decided(*[event(f"T{number}{place}", "x:1") for place in range(3)]) for number in range(4)]
        await append(history, *batch)
        expected = [f"T{number}{place}" for number in range(4) for place in range(3)]
        assert [each.type for each in await read_all(history)] == expected
        assert [each.type for each in await read_all(history, on("x:1"))] == expected
