"""Events to what is stored, and back to what the application knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twofold import wire
from twofold.errors import DeclarationError
from twofold.history.record import Proposed, Recorded
from twofold.message import Event, tags_of
from twofold.place import where_is


class Codec:
    """The event classes that an application knows, by name.

    Args:
        events: every event class; two of one name are refused.

    Raises:
        DeclarationError: two different classes have one name.
    """

    def __init__(self, events: Iterable[type[Event]] = ()) -> None:
        self._classes: dict[str, type[Event]] = {}
        self._decoders: dict[str, Callable[[bytes], Event]] = {}
        for event in events:
            self.learn(event)

    @property
    def classes(self) -> tuple[type[Event], ...]:
        """The event classes that are known."""
        return tuple(self._classes.values())

    def learn(self, event: type[Event]) -> None:
        """Add an event class."""
        known = self._classes.setdefault(event.message_name, event)
        if known is not event:
            raise DeclarationError(
                what=f"two events are named {event.message_name!r}: {known.__module__}.{known.__qualname__} and "
                f"{event.__module__}.{event.__qualname__}",
                where=where_is(event),
                mend=f'give one of them another name: `class {event.__name__}(Event, name="…")`',
            )
        self._decoders[event.message_name] = wire.reader_of(event)

    def propose(self, event: Event, event_id: bytes) -> Proposed:
        """Encode an event for the history, proving that it can be read back (H6).

        Raises:
            InvalidMessage: it cannot.
        """
        payload = wire.checked(event)
        kind = type(event)
        return Proposed(event_id, kind.message_name, kind.message_version, tags_of(event), payload)

    def decode(self, recorded: Recorded) -> Event:
        """Return the event that a record holds.

        Raises:
            KeyError: the application knows no event of that name.
            msgspec.MsgspecError: the payload does not fit the class any more.
        """
        message: Event = self._decoders[recorded.type](recorded.payload)
        return message
