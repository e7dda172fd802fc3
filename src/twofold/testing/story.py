"""What has happened before: the given events, as the history would hold them, and how they are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from twofold.context import Principal
from twofold.engines.memory import MemoryHistory
from twofold.errors import InvalidMessage
from twofold.history.boundary import Condition, Selection
from twofold.history.codec import Codec
from twofold.history.record import Proposed, Submission
from twofold.history.store import Decision
from twofold.message import Event


class Happened(msgspec.Struct, frozen=True):
    """A given event, when it happened and who caused it."""

    event: Event
    at: datetime
    by: Principal


async def history_of(facts: Sequence[Happened], codec: Codec) -> MemoryHistory:
    """Return a history that holds the given events, at positions 1, 2, 3 …

    Raises:
        AssertionError: an event is none of the application, or could not be stored.
    """
    times = iter([fact.at for fact in facts])
    history = MemoryHistory(now=lambda: next(times))
    await history.append(
        [
            Decision(
                submission=Submission(UUID(int=number), "given", b"{}", principal=fact.by.name),
                condition=Condition(Selection()),
                events=(stored(fact.event, codec, number, "the given event"),),
            )
            for number, fact in enumerate(facts, 1)
        ]
    )
    return history


def stored(event: Event, codec: Codec, number: int, what: str) -> Proposed:
    """Return an event as it would be stored.

    Raises:
        AssertionError: the application does not know it, or it could not be read back.
    """
    if type(event) not in codec.classes:
        known = ", ".join(sorted(kind.__name__ for kind in codec.classes)) or "none"
        raise AssertionError(
            f"{what} {type(event).__name__} is none that this application's handlers or models name; "
            f"expected one of {known}"
        )
    try:
        return codec.propose(event, UUID(int=number).bytes)
    except InvalidMessage as error:
        raise AssertionError(f"{what} {event!r} could not be stored: {error}") from error


def told(facts: Iterable[Happened], step: str, message: object) -> str:
    """Return a scenario's story so far, as lines of text."""
    return "\n".join(_lines(facts, step, message))


def _lines(facts: Iterable[Happened], step: str, message: object) -> Iterator[str]:
    words = [("given", repr(fact.event)) for fact in facts] or [("given", "nothing")]
    for place, (word, text) in enumerate([*words, (step, repr(message))]):
        yield f"  {word if place == 0 or word == step else '':<6} {text}"
