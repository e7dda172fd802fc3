"""F1: long random sequences of appends and readings, compared step by step with the reference."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from twofold.history.boundary import Condition, Criterion, Selection
from twofold.history.ledger import LedgerSearch
from twofold.history.record import Position, Submission
from twofold.history.store import Decision, History
from twofold.testing.contracts.engine import HistoryEngine
from twofold.testing.contracts.making import REJECTED, apart_from_time, event, timeless
from twofold.testing.contracts.making import read as read_all
from twofold.testing.contracts.reference import Reference
from twofold.testing.contracts.suite import Suite

T = TypeVar("T")

_TYPES = ("A", "B", "C")
_TAGS = ((), ("x:1",), ("x:2",), ("y:1",), ("x:1", "y:1"), ("y:1", "x:1"), ("x:2", "y:1"), ("x:1", "x:2", "y:1"))
_PAYLOADS = (b"{}", b'{"n":1}', '{"n": "é"}'.encode())
_CRITERIA = [Criterion(types, tags) for types in ((), ("A",), ("A", "B"), ("C",)) for tags in _TAGS[:-1]]
_SELECTIONS = [
    Selection(),
    *[Selection((one,)) for one in _CRITERIA],
    *[Selection((one, other)) for one, other in zip(_CRITERIA, reversed(_CRITERIA), strict=True)],
    *[Selection(tuple(_CRITERIA[n : n + 3])) for n in range(3, 20)],
]

# Few choices from lists that are made once: making values is what costs time here.
_selections = st.sampled_from(_SELECTIONS)
_events = st.tuples(st.sampled_from(_TYPES), st.sampled_from(_TAGS), st.sampled_from(_PAYLOADS))
_submissions = st.builds(
    Submission,
    command_id=st.integers(1, 12).map(lambda number: UUID(int=number)),
    type=st.sampled_from(("Do", "Do", "DoElse")),
    payload=st.sampled_from(_PAYLOADS[:2]),
    principal=st.sampled_from(("", "ada")),
    correlation_id=st.sampled_from((None, UUID(int=99))),
)

_searches = st.builds(
    LedgerSearch,
    types=st.sampled_from(((), (), ("Do",), ("DoElse", "Do"))),
    command_id=st.sampled_from((None, None, UUID(int=1), UUID(int=2))),
    principal=st.sampled_from((None, None, "", "ada")),
    outcome=st.sampled_from((None, None, "accepted", "rejected")),
    correlation_id=st.sampled_from((None, None, UUID(int=99))),
    position=st.none() | st.integers(1, 40),
)


class Try(msgspec.Struct, frozen=True):
    """A decision whose condition is told relative to the head: folded to so many positions before it."""

    sent: Submission
    again: bool
    selection: Selection
    back: int
    seen: int
    events: list[tuple[str, tuple[str, ...], bytes]]

    def at(self, head: Position) -> Decision:
        """Return the decision as it is tried at a head; one without events may be a rejection."""
        sent = self.sent if self.again else msgspec.structs.replace(self.sent, command_id=uuid4())
        rejection = REJECTED if not self.events and self.back % 2 else None
        condition = Condition(self.selection, max(0, head - self.back), self.seen)
        events = tuple(event(type_, *tags, payload=payload) for type_, tags, payload in self.events)
        return Decision(sent, condition, events, rejection)


_tries = st.builds(
    Try,
    sent=_submissions,
    again=st.booleans(),
    selection=_selections,
    back=st.integers(0, 5),
    seen=st.integers(0, 4),
    events=st.lists(_events, max_size=2),
)


class HistoryMachine(RuleBasedStateMachine):
    """Does the same to an engine's history and to the reference, and compares what they answer."""

    engine: HistoryEngine

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = self.engine.place()
        self.reference = Reference()
        self.history: History = self.run(self.engine.at(self.place))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on this machine's own event loop."""
        return self.runner.run(work)

    @rule(tries=st.lists(_tries, min_size=1, max_size=4))
    def append(self, tries: list[Try]) -> None:
        """Append a batch."""
        decisions = [each.at(len(self.reference.events)) for each in tries]
        assert list(self.run(self.history.append(decisions))) == self.reference.append(decisions)

    @rule(
        selection=_selections,
        after=st.integers(0, 60),
        until=st.none() | st.integers(0, 120),
        limit=st.none() | st.integers(0, 20),
    )
    def read(self, selection: Selection, after: Position, until: Position | None, limit: int | None) -> None:
        """Read a selection."""
        found = self.run(read_all(self.history, selection, after=after, until=until, limit=limit))
        assert [apart_from_time(each) for each in found] == self.reference.read(selection, after, until, limit)

    @rule(sent=_submissions)
    def find(self, sent: Submission) -> None:
        """Look a command up."""
        known = self.reference.earlier(sent)
        assert self.run(self.history.find(sent.scope)) == (known and known.position)

    @rule(search=_searches, after=st.none() | st.integers(1, 60), newest=st.booleans(), limit=st.integers(1, 20))
    def ledger(self, search: LedgerSearch, after: int | None, newest: bool, limit: int) -> None:
        """Read a page of the ledger."""
        found = self.run(self.history.ledger(search, after=after, newest=newest, limit=limit))
        assert timeless(found) == timeless(self.reference.ledger(search, after, newest, limit))

    @precondition(lambda self: "reopen" not in self.engine.cannot)
    @rule(chance=st.integers(0, 3))
    def reopen(self, chance: int) -> None:
        """Close the history, and open it again; not each time, for it may take longer than many steps."""
        if chance == 0:
            self.run(self.history.close())
            self.history = self.run(self.engine.at(self.place))

    @invariant()
    def has_the_same_head(self) -> None:
        """Compare the heads after every step."""
        assert self.run(self.history.head()) == len(self.reference.events)

    def teardown(self) -> None:
        """Close what is open."""
        self.run(self.history.close())
        self.runner.close()


class HistoryAtRandom(Suite):
    """The state machine as one test.

    Attributes:
        steps_at_random: how many examples of how many steps; a longer run overrides it.
    """

    steps_at_random = settings(
        max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )

    def test_random_steps_are_answered_as_by_the_reference(self, engine: HistoryEngine) -> None:
        machine = type("Machine", (HistoryMachine,), {"engine": engine})
        run_state_machine_as_test(machine, settings=self.steps_at_random)
