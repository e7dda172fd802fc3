"""Reading: the selected events, all of them, in order, as they were written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from twofold.history.boundary import EVERYTHING, Selection
from twofold.history.record import Position, Proposed
from twofold.history.store import History
from twofold.testing.contracts.making import (
    NOTHING,
    append,
    append_one,
    command,
    decided,
    event,
    fill,
    on,
    one,
    positions,
    read,
)
from twofold.testing.contracts.suite import HistorySuite

SOME = (
    event("A", "x:1"),
    event("B", "x:1", "y:1"),
    event("C"),
    event("A", "y:1", "x:2"),
    event("B", "y:2"),
    event("A", "x:1", "y:1", "z:1"),
)

SELECTIONS: dict[str, tuple[Selection, list[Position]]] = {
    "everything": (EVERYTHING, [1, 2, 3, 4, 5, 6]),
    "nothing": (NOTHING, []),
    "one tag": (on("x:1"), [1, 2, 6]),
    "two tags": (on(one("x:1", "y:1")), [2, 6]),
    "three tags in any order": (on(one("z:1", "x:1", "y:1")), [6]),
    "tags of which one is unknown": (on(one("x:1", "q:1")), []),
    "a tag and a type": (on(one("x:1", types=["A"])), [1, 6]),
    "a tag and types": (on(one("y:1", types=["A", "B"])), [2, 4, 6]),
    "two tags and a type": (on(one("y:1", "x:1", types=["B"])), [2]),
    "one type": (on(types=["A"]), [1, 4, 6]),
    "several types": (on(types=["C", "B"]), [2, 3, 5]),
    "an unknown type": (on(types=["D"]), []),
    "several criteria": (on("x:2", "y:2"), [4, 5]),
    "criteria that overlap": (on("y:1", "x:1", types=["A"]), [1, 2, 4, 6]),
    "one criterion twice": (on("x:1", "x:1"), [1, 2, 6]),
    "a criterion within everything": (Selection((*on("x:1").criteria, *EVERYTHING.criteria)), [1, 2, 3, 4, 5, 6]),
}

PAYLOADS = [
    b"{}",
    b'{"b":1,"a":2}',
    b'{ "spaced" : [ 1 , 2.50, 1e400 ] }\n',
    b'{"a":1,"a":2}',
    '{"text":"é ☃ 𝄞"}'.encode(),
    b'{"text":"\\u00e9 \\u2603 \\ud834\\udd1e \\/ \\u0000"}',
    b"18446744073709551616",
    b'"' + b"x" * 300_000 + b'"',
]


async def _long(history: History, length: int) -> None:
    """Fill a history with events of which every other carries a tag, every third is of type T."""
    events = [event("T" if n % 3 == 0 else "U", *(["x:1"] if n % 2 == 0 else [])) for n in range(1, length + 1)]
    for start in range(0, length, 1000):
        await append(history, decided(*events[start : start + 1000]))


class HistoryReading(HistorySuite):
    """What `History.read` yields."""

    @pytest.mark.parametrize(("selection", "expected"), SELECTIONS.values(), ids=SELECTIONS.keys())
    async def test_reads(self, history: History, selection: Selection, expected: list[Position]) -> None:
        await fill(history, *SOME)
        assert await positions(history, selection) == expected

    @pytest.mark.parametrize(("selection", "expected"), SELECTIONS.values(), ids=SELECTIONS.keys())
    async def test_reads_after_and_until_and_up_to_a_limit(
        self, history: History, selection: Selection, expected: list[Position]
    ) -> None:
        await fill(history, *SOME)
        for after in range(8):
            assert await positions(history, selection, after=after) == [n for n in expected if n > after]
            for until in range(8):
                within = [n for n in expected if after < n <= until]
                assert await positions(history, selection, after=after, until=until) == within
                assert await positions(history, selection, after=after, until=until, limit=2) == within[:2]
        for limit in range(8):
            assert await positions(history, selection, limit=limit) == expected[:limit]

    async def test_reading_goes_on_over_many_batches(self, history: History) -> None:
        await _long(history, 6_500)
        every = range(1, 6_501)
        assert await positions(history) == list(every)
        assert await positions(history, on("x:1")) == [n for n in every if n % 2 == 0]
        assert await positions(history, on(types=["T"])) == [n for n in every if n % 3 == 0]
        assert await positions(history, on("x:1", types=["T"])) == [n for n in every if n % 2 == 0 or n % 3 == 0]
        assert await positions(history, on(one("x:1", types=["T"]))) == [n for n in every if n % 6 == 0]

    @pytest.mark.parametrize("limit", [1, 999, 1_000, 1_001, 2_000, 2_001, 4_321])
    async def test_limits_and_ends_fall_anywhere_in_a_batch(self, history: History, limit: int) -> None:
        await _long(history, 4_500)
        assert await positions(history, limit=limit) == list(range(1, limit + 1))
        assert await positions(history, until=limit) == list(range(1, limit + 1))
        assert await positions(history, after=limit) == list(range(limit + 1, 4_501))
        some = await positions(history, on("x:1"), after=100, limit=limit)
        assert some == list(range(102, 4_501, 2))[:limit]

    async def test_without_until_it_reads_to_the_head_at_its_beginning(self, history: History) -> None:
        await _long(history, 4_500)
        found: list[Position] = []
        async for batch in history.read(EVERYTHING):
            found.extend(each.position for each in batch)
            assert found[-1] <= 4_500, "it must end where the head was"
            # No transaction is held open meanwhile: others append.
            await fill(history, event())
        assert found == list(range(1, 4_501))

    async def test_a_reading_may_be_left(self, history: History) -> None:
        await _long(history, 4_500)
        async for _ in history.read(EVERYTHING):
            break
        assert await append_one(history, decided(event(), on=on("q:1")))
        assert len(await read(history)) == 4_501

    @pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
    async def test_payloads_come_back_byte_for_byte(self, history: History, payload: bytes) -> None:
        await fill(history, event("A", "x:1", payload=payload))
        for selection in (EVERYTHING, on("x:1"), on(types=["A"])):
            assert [each.payload for each in await read(history, selection)] == [payload]

    async def test_an_event_comes_back_as_it_was_proposed(self, history: History) -> None:
        proposed = Proposed(uuid4().bytes, "Ærø/Happened", 7, ("x:2", "x:1", "ñ:☃'\"\\"), b'{"a":1}')
        await fill(history, proposed)
        (found,) = await read(history)
        assert (found.position, found.event_id, found.type, found.version) == (1, proposed.id, proposed.type, 7)
        assert found.tags == proposed.tags

    async def test_what_is_appended_together_is_kept_apart_whatever_it_is_made_of(self, history: History) -> None:
        awkward = "{a},\"b\"\\ null\n\x1e'c'"
        events = [event(f"A{awkward}", f"x:{n}{awkward}", f"y:{n}", payload=PAYLOADS[n]) for n in range(len(PAYLOADS))]
        sent = [command(type_=f"Do{awkward}", payload=payload, tags=(f"z:{awkward}",)) for payload in PAYLOADS]
        await append(history, *[decided(each, by=by) for each, by in zip(events, sent, strict=True)])
        found = [(each.event_id, each.type, each.tags, each.payload) for each in await read(history)]
        assert found == [(each.id, each.type, each.tags, each.payload) for each in events]
        assert await positions(history, on(f"x:1{awkward}")) == [2]
        kept = [(each.command_id, each.type, each.payload, each.tags) for each in await history.ledger(newest=False)]
        assert kept == [(each.command_id, each.type, each.payload, each.tags) for each in sent]

    async def test_correlation_and_causation_are_the_commands_own_id_unless_given(self, history: History) -> None:
        sent = command(principal="ada", tenant="north")
        linked = msgspec.structs.replace(command(), correlation_id=uuid4(), causation_id=uuid4())
        await append(history, decided(event(), event(), by=sent), decided(event(), by=linked))
        first, second, third = [each.metadata for each in await read(history)]
        for metadata in (first, second):
            assert metadata.command_id == metadata.correlation_id == metadata.causation_id == sent.command_id
            assert (metadata.principal, metadata.tenant) == ("ada", "north")
        assert (third.command_id, third.principal, third.tenant) == (linked.command_id, "", "")
        assert (third.correlation_id, third.causation_id) == (linked.correlation_id, linked.causation_id)

    async def test_events_are_recorded_at_the_time_of_the_append_in_utc(self, history: History) -> None:
        await fill(history, event())
        (found,) = await read(history)
        # The database's clock may differ from this machine's; a wrong unit or a wrong zone differs by more.
        assert abs(found.metadata.time - datetime.now(UTC)) < timedelta(minutes=50)
