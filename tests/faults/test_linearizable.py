"""Conditional appends on one boundary, from several processes, are linearizable (F4, H4)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tests.faults.linear import Call, Object, is_linearizable
from tests.faults.places import Place, Places
from tests.faults.processes import workers
from tests.faults.worker import Options


def _step(last: int, call: Call) -> int | None:
    match call.what:
        case ["read"]:
            return last if call.answer == last else None
        case ["append", after] if call.answer is None:
            return last if last > after else None
        case ["append", after]:
            return call.answer if last <= after and call.answer > last else None
    raise AssertionError(call)


BOUNDARY = Object(0, _step)
"""A boundary: its state is the position of its last event."""


def calls_in(place: Place, *, callers: int, each: int, seed: int = 0) -> list[Call]:
    """Let several processes contend for one boundary; return what they saw."""
    tasks = [("contend", Options(place.url, f"c{n}", each, seed + n)) for n in range(callers)]
    with workers(tasks) as contending:
        for caller in contending:
            caller.wait_until(lambda said: "ready" in said)
        for caller in contending:
            caller.write("go")
        lines = [line for caller in contending for line in caller.finish() if line != "ready"]
    return [Call(started, ended, what, answer) for started, ended, what, answer in lines]


def planted_stale_read(calls: Sequence[Call]) -> list[Call]:
    """Return the calls with one read that answers what was true before an append that had ended already."""
    for number, call in enumerate(calls):
        if call.what == ["read"]:
            before = [c.answer for c in calls if c.what[0] == "append" and c.answer and c.ended < call.started]
            older = sorted(answer for answer in before if answer < call.answer)
            if len(before) > 10 and older and max(before) == call.answer:
                stale = msgspec.structs.replace(call, answer=older[-1])
                return [*calls[:number], stale, *calls[number + 1 :]]
    raise AssertionError("no read that could be made stale")


def test_conditional_appends_of_four_processes_are_linearizable(place: Place) -> None:
    calls = calls_in(place, callers=4, each=250)
    appended = [call for call in calls if call.what[0] == "append" and call.answer is not None]
    conflicts = [call for call in calls if call.what[0] == "append" and call.answer is None]
    assert len(calls) == 1000
    assert len(appended) > 50
    assert len(conflicts) > 50
    assert is_linearizable(calls, BOUNDARY)
    # The control: with one stale read, or one append that should have met a conflict, they are not.
    assert not is_linearizable(planted_stale_read(calls), BOUNDARY)
    refused = conflicts[-1]
    last = max(call.answer for call in appended if call.ended < refused.started)
    let_in = msgspec.structs.replace(refused, answer=last + 0.5)
    assert not is_linearizable([let_in if call is refused else call for call in calls], BOUNDARY)


def test_the_checker_knows_what_may_overlap_and_what_may_not() -> None:
    append = Call(0.0, 1.0, ["append", 0], 1)
    assert is_linearizable([append, Call(2.0, 3.0, ["read"], 1)], BOUNDARY)
    assert not is_linearizable([append, Call(2.0, 3.0, ["read"], 0)], BOUNDARY)
    assert is_linearizable([append, Call(0.5, 3.0, ["read"], 0)], BOUNDARY)
    assert is_linearizable([append, Call(0.5, 0.9, ["append", 0], None)], BOUNDARY)
    assert not is_linearizable([append, Call(0.5, 0.9, ["append", 0], 2)], BOUNDARY)
    assert is_linearizable([append, Call(0.5, 0.9, ["append", 1], 2)], BOUNDARY)
    assert not is_linearizable([append, Call(-1.0, -0.5, ["append", 1], 2)], BOUNDARY)
    # It has to take a first guess back: the read of 2 must come between two appends that overlap all.
    assert is_linearizable(
        [Call(0, 9, ["append", 0], 2), Call(0, 9, ["append", 5], 3), Call(1, 2, ["read"], 2)], BOUNDARY
    )


def one_contention(seed: int, places: Places) -> str:
    """Contend with six processes; for the long script."""
    calls = calls_in(places.new(), callers=6, each=500, seed=seed * 1000)
    assert is_linearizable(calls, BOUNDARY), "not linearizable"
    return f"{len(calls)} calls"
