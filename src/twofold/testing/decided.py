"""`then`: how a command should have been decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twofold.errors import Rejected
from twofold.message import Event
from twofold.testing.difference import events_text, outcome_text, rejection_text

if TYPE_CHECKING:
    from twofold.testing.scenario import Scenario


class Decided:
    """A command's outcome, to be compared by `then`.

    Attributes:
        events: what was decided; empty where the command was rejected.
        rejection: why it was decided against, if it was.
    """

    def __init__(self, before: Scenario, handler: str, story: str, outcome: tuple[Event, ...] | Rejected) -> None:
        self._before = before
        self._handler = handler
        self._story = story
        self._outcome = outcome
        self.events: tuple[Event, ...] = () if isinstance(outcome, Rejected) else outcome
        self.rejection: Rejected | None = outcome if isinstance(outcome, Rejected) else None

    def then(self, *expected: Event | Rejected) -> Scenario:
        """Compare the outcome with events, in order, or with one `Rejected`; with nothing: no event came.

        Returns the scenario with these events added to what was given, to go on from there.

        Raises:
            AssertionError: the outcome is another one; the message shows field by field how it differs.
            TypeError: something else than events or one `Rejected` is expected.
        """
        __tracebackhide__ = True
        difference = _difference(_wanted(expected), self._outcome)
        if difference:
            raise AssertionError(f"{self._handler} did not decide as expected\n\n{self._story}\n\n{difference}")
        return self._before.given(*self.events)


def _wanted(expected: Sequence[Event | Rejected]) -> tuple[Event, ...] | Rejected:
    if len(expected) == 1 and isinstance(expected[0], Rejected):
        return expected[0]
    events: list[Event] = []
    for each in expected:
        if not isinstance(each, Event):
            raise TypeError(f"then() takes events, or one Rejected alone; found {each!r}")
        events.append(each)
    return tuple(events)


def _difference(expected: tuple[Event, ...] | Rejected, found: tuple[Event, ...] | Rejected) -> str:
    if isinstance(expected, Rejected) and isinstance(found, Rejected):
        return rejection_text(expected, found)
    if isinstance(expected, Rejected) or isinstance(found, Rejected):
        return f"{outcome_text(expected, 'expected')}\n{outcome_text(found, 'found')}"
    return events_text(expected, found)
