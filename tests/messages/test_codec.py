"""H6: what cannot be read back is never written; what is written is read back as it was."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest

from tests.messages.everything import Happened
from twofold import Event
from twofold.engines.memory import MemoryHistory
from twofold.errors import DeclarationError, InvalidMessage
from twofold.history.boundary import EVERYTHING, Condition, Selection
from twofold.history.codec import Codec
from twofold.history.record import Submission
from twofold.history.store import Decision

pytestmark = pytest.mark.anyio


class Renamed(Event, name="renamed-event", version=3):
    note: str


def same_name() -> type[Event]:
    class Happened(Event):
        other: str

    return Happened


async def test_an_event_is_read_back_from_the_history() -> None:
    codec, history = Codec([Happened, Renamed]), MemoryHistory()
    events = [Happened("a", "é\U0001f600"), Renamed("x")]
    proposed = tuple(codec.propose(event, UUID(int=n).bytes) for n, event in enumerate(events))
    await history.append([Decision(Submission(UUID(int=9), "Do", b"{}"), Condition(Selection()), proposed)])
    async for batch in history.read(EVERYTHING):
        assert [codec.decode(recorded) for recorded in batch] == events
        assert [(each.type, each.version, each.tags) for each in batch] == [
            ("Happened", 1, ("account:a",)),
            ("renamed-event", 3, ()),
        ]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (Happened("a", 5), "note"),  # type: ignore[arg-type]
        (Happened("a", "\0"), "note"),
        (Happened("a", "\ud800"), "note"),
        (Happened(None), "account"),  # type: ignore[arg-type]
        (Happened(""), "account"),
        (Happened("a" * 513), "account"),
    ],
)
def test_an_event_that_cannot_be_read_back_is_not_proposed(event: Event, field: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        Codec([Happened]).propose(event, bytes(16))
    assert (refused.value.message, refused.value.field) == ("Happened", field)


def test_an_event_that_changes_when_it_is_read_is_not_proposed() -> None:
    class Sneaky(Event):
        count: int
        made: ClassVar[int] = 0

        def __post_init__(self) -> None:
            msgspec.structs.force_setattr(self, "count", self.count + 1)

    with pytest.raises(InvalidMessage, match="count"):
        Codec([Sneaky]).propose(Sneaky(1), bytes(16))


def test_two_events_of_one_name_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"two events are named 'Happened'.*\n.*mend: give one"):
        Codec([Happened, same_name()])
    assert Codec([Happened, Happened]).classes == (Happened,)


def test_messages_are_frozen_and_take_their_name_and_version_from_the_class() -> None:
    event: Any = Happened("a")
    with pytest.raises(AttributeError):
        event.note = "b"
    with pytest.raises(TypeError):
        Happened("a", nosuch=1)  # type: ignore[call-arg]
    assert (Renamed.message_name, Renamed.message_version) == ("renamed-event", 3)
    assert (Happened.message_name, Happened.message_version) == ("Happened", 1)
    assert Happened("a") == Happened("a", "")
    assert hash(Happened("a")) == hash(Happened("a"))
