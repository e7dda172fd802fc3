"""H4: a decision is stored only if nothing that it rests on has happened since its models were folded."""

from __future__ import annotations

import pytest

from twofold.history.boundary import EVERYTHING, Selection
from twofold.history.record import Proposed
from twofold.history.store import Appended, Conflict, History
from twofold.testing.contracts.making import NOTHING, REJECTED, append_one, decided, event, fill, on, one
from twofold.testing.contracts.suite import HistorySuite

A, B, BOTH = event("A", "x:1"), event("B", "y:1"), event("A", "x:1", "y:1")

CONFLICTS = {
    "its tag": (A, on("x:1")),
    "the second of the event's tags": (BOTH, on("y:1")),
    "all of its tags": (BOTH, on(one("x:1", "y:1"))),
    "all of its tags in another order": (BOTH, on(one("y:1", "x:1"))),
    "its tag and type": (A, on(one("x:1", types=["A"]))),
    "its tags and type": (BOTH, on(one("x:1", "y:1", types=["A"]))),
    "its tag and one of its types": (A, on(one("x:1", types=["B", "A"]))),
    "its type alone": (A, on(types=["A"])),
    "one of its types alone": (A, on(types=["B", "A"])),
    "the first of several criteria": (A, on("x:1", "y:1")),
    "the second of several criteria": (A, on("y:1", "x:1")),
    "a later criterion by type": (A, on("y:1", one("y:2"), types=["A"])),
    "everything": (event("A"), EVERYTHING),
    "a tag of other signs": (event("A", "ñ:%_'\"\\ \n☃"), on("ñ:%_'\"\\ \n☃")),
}

NO_CONFLICTS = {
    "nothing": (A, NOTHING),
    "another tag": (A, on("x:2")),
    "a longer tag": (A, on("x:11")),
    "a shorter tag": (event("A", "x:11"), on("x:1")),
    "a tag of another case": (event("A", "x:a"), on("x:A")),
    "another kind of tag": (A, on("y:1")),
    "a tag with a wildcard": (A, on("x:%", "x:_", "x:*", "x:?")),
    "its tag but another type": (A, on(one("x:1", types=["B"]))),
    "its type but another tag": (A, on(one("x:2", types=["A"]))),
    "one of its tags and one that it lacks": (A, on(one("x:1", "y:1"))),
    "a tag that it lacks and one of its own": (A, on(one("y:1", "x:1"))),
    "its tags but another type": (BOTH, on(one("x:1", "y:1", types=["B"]))),
    "another type alone": (A, on(types=["B"])),
    "a type of another case": (A, on(types=["a"])),
    "a tag of an event without tags": (event("A"), on("x:1")),
}


def _of(cases: dict[str, tuple[Proposed, Selection]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("happened", "boundary"), cases.values(), ids=cases.keys())


class HistoryConditions(HistorySuite):
    """A condition counts the events that its selection takes, after its position, and no others."""

    @_of(CONFLICTS)
    async def test_conflicts_with_an_event_selected_by(
        self, history: History, happened: Proposed, boundary: Selection
    ) -> None:
        await fill(history, event("Z", "z:1"), happened, event("Z", "z:1"))
        assert await append_one(history, decided(event(), on=boundary)) == Conflict(3)
        assert await history.head() == 3

    @_of(NO_CONFLICTS)
    async def test_does_not_conflict_with_an_event_by(
        self, history: History, happened: Proposed, boundary: Selection
    ) -> None:
        await fill(history, event("Z", "z:1"), happened, event("Z", "z:1"))
        assert await append_one(history, decided(event(), on=boundary)) == Appended(4, 4)

    @_of(CONFLICTS)
    async def test_events_up_to_the_position_do_not_count_for(
        self, history: History, happened: Proposed, boundary: Selection
    ) -> None:
        await fill(history, event("Z", "z:1"), happened, event("Z", "z:1"))
        assert await append_one(history, decided(event(), on=boundary, after=1)) == Conflict(3)
        # A boundary of everything counts the last event too.
        after = 3 if boundary == EVERYTHING else 2
        assert await append_one(history, decided(event(), on=boundary, after=after)) == Appended(4, 4)

    async def test_any_later_event_counts_not_only_the_last(self, history: History) -> None:
        await fill(history, A, A, *[B] * 20)
        assert await append_one(history, decided(event(), on=on("x:1"), after=1)) == Conflict(22)

    async def test_a_condition_holds_in_an_empty_history(self, history: History) -> None:
        assert await append_one(history, decided(A, on=EVERYTHING)) == Appended(1, 1)

    async def test_the_decisions_own_events_do_not_count(self, history: History) -> None:
        assert await append_one(history, decided(A, A, BOTH, on=on("x:1"))) == Appended(1, 3)

    async def test_of_two_decisions_on_the_same_state_the_second_conflicts(self, history: History) -> None:
        assert await append_one(history, decided(A, on=on("x:1"))) == Appended(1, 1)
        assert await append_one(history, decided(A, on=on("x:1"))) == Conflict(1)
        assert await append_one(history, decided(A, on=on("x:1"), after=1)) == Appended(2, 2)

    async def test_a_rejection_stands_only_if_its_condition_does(self, history: History) -> None:
        await fill(history, A)
        assert await append_one(history, decided(on=on("x:1"), rejection=REJECTED)) == Conflict(1)
        assert await append_one(history, decided(on=on("x:1"), after=1, rejection=REJECTED)) == Appended(1, 1)
