"""H4 inside a batch: a decision rests on those before it that it had seen, and conflicts with those that it had not."""

from __future__ import annotations

from twofold.history.boundary import EVERYTHING
from twofold.history.store import Appended, Conflict, Duplicate, History
from twofold.testing.contracts.making import REJECTED, append, append_one, command, decided, event, fill, on, positions
from twofold.testing.contracts.suite import HistorySuite

X, Y = event("A", "x:1"), event("A", "y:1")


class HistoryBatches(HistorySuite):
    """Decisions of one batch meet each other as `Condition.seen` says."""

    async def test_a_decision_may_rest_on_one_before_it_that_it_had_seen(self, history: History) -> None:
        chain = [decided(X, on=on("x:1"), seen=seen) for seen in range(4)]
        assert await append(history, *chain) == [Appended(n, n) for n in (1, 2, 3, 4)]

    async def test_an_earlier_one_that_was_not_seen_conflicts(self, history: History) -> None:
        assert await append(history, decided(X), decided(X, on=on("x:1"))) == [Appended(1, 1), Conflict(1)]
        assert await history.head() == 1

    async def test_an_earlier_one_that_was_not_seen_does_not_matter_where_it_is_not_selected(
        self, history: History
    ) -> None:
        assert await append(history, decided(X), decided(Y, on=on("y:1"))) == [Appended(1, 1), Appended(2, 2)]

    async def test_seen_counts_from_the_beginning_of_the_batch(self, history: History) -> None:
        outcomes = await append(
            history,
            decided(X),
            decided(Y),
            decided(event("B"), on=on("x:1"), seen=1),
            decided(event("B"), on=on("y:1"), seen=1),
            decided(event("B"), on=on("y:1"), seen=2),
        )
        assert outcomes == [Appended(1, 1), Appended(2, 2), Appended(3, 3), Conflict(3), Appended(4, 4)]

    async def test_what_rests_on_a_failed_one_fails_too_down_the_line(self, history: History) -> None:
        await fill(history, event("A", "w:1"))
        outcomes = await append(
            history,
            decided(X, on=on("w:1"), seen=0),
            decided(Y, on=on("x:1"), after=1, seen=1),
            decided(event("A", "z:1"), on=on("y:1"), after=1, seen=2),
            decided(event("A", "v:1"), on=on("v:1"), after=1, seen=3),
            decided(on=on("z:1"), after=1, seen=4, rejection=REJECTED),
        )
        assert outcomes == [Conflict(1), Conflict(1), Conflict(1), Appended(2, 2), Conflict(2)]
        assert await positions(history) == [1, 2]

    async def test_a_failed_one_that_was_seen_does_not_matter_where_it_is_not_selected(self, history: History) -> None:
        await fill(history, X)
        outcomes = await append(history, decided(X, on=on("x:1")), decided(Y, on=on("y:1"), seen=1))
        assert outcomes == [Conflict(1), Appended(2, 2)]

    async def test_a_failed_one_that_was_not_seen_does_not_matter(self, history: History) -> None:
        await fill(history, event("A", "w:1"))
        outcomes = await append(history, decided(X, on=on("w:1")), decided(X, on=on("x:1"), after=1, seen=0))
        assert outcomes == [Conflict(1), Appended(2, 2)]

    async def test_what_rests_on_the_events_of_a_duplicate_fails(self, history: History) -> None:
        sent = command()
        await append_one(history, decided(event(), by=sent))
        outcomes = await append(history, decided(X, by=sent), decided(X, on=on("x:1"), after=1, seen=1))
        assert outcomes == [Duplicate(1, True), Conflict(1)]

    async def test_a_rejection_before_it_does_not_matter(self, history: History) -> None:
        outcomes = await append(history, decided(rejection=REJECTED), decided(X, on=EVERYTHING, seen=0))
        assert outcomes == [Appended(0, 0), Appended(1, 1)]

    async def test_the_stored_history_counts_whatever_was_seen_in_the_batch(self, history: History) -> None:
        await fill(history, X)
        outcomes = await append(history, decided(Y), decided(Y, on=on("x:1", "y:1"), after=0, seen=1))
        assert outcomes == [Appended(2, 2), Conflict(2)]

    async def test_each_decision_of_a_batch_has_a_position_of_its_own(self, history: History) -> None:
        await fill(history, Y, X, Y)
        outcomes = await append(
            history,
            decided(event("B"), on=on("x:1"), after=3),
            decided(event("B"), on=on("x:1"), after=1, seen=1),
            decided(event("B"), on=on("x:1"), after=2, seen=2),
        )
        assert outcomes == [Appended(4, 4), Conflict(4), Appended(5, 5)]

    async def test_a_long_batch_is_answered_one_by_one(self, history: History) -> None:
        pairs = [
            [decided(event("A", f"x:{n}"), on=on(f"x:{n}"), seen=2 * n) for _ in ("stands", "conflicts")]
            for n in range(150)
        ]
        outcomes = await append(history, *[each for pair in pairs for each in pair])
        assert outcomes == [outcome for n in range(1, 151) for outcome in (Appended(n, n), Conflict(n))]
        assert await positions(history) == list(range(1, 151))
