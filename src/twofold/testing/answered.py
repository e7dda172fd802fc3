"""`answers`: how a query should have been answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from twofold.testing.difference import value_text

if TYPE_CHECKING:
    from twofold.testing.scenario import Scenario

A = TypeVar("A")


class Answered(Generic[A]):
    """A query's answer, to be compared by `answers`.

    Attributes:
        answer: what the handler answered.
    """

    def __init__(self, before: Scenario, handler: str, story: str, answer: A) -> None:
        self._before = before
        self._handler = handler
        self._story = story
        self.answer = answer

    def answers(self, expected: A) -> Scenario:
        """Compare the answer. Returns the scenario, to go on from there.

        Raises:
            AssertionError: the answer is another one; the message shows where it differs.
        """
        __tracebackhide__ = True
        difference = value_text(expected, self.answer)
        if difference:
            raise AssertionError(f"{self._handler} did not answer as expected\n\n{self._story}\n\n{difference}")
        return self._before
