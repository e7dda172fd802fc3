"""What would follow a command, if it were sent: decided on models of its own, of which nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from twofold.context import Context
from twofold.errors import ChangedSince, HandlerFailed, InvalidMessage, Rejected, StoreError, UnknownPosition
from twofold.history.boundary import Selection
from twofold.history.codec import Codec
from twofold.history.record import Position
from twofold.history.store import History
from twofold.message import Command, Event
from twofold.write.cache import Entry, State
from twofold.write.handler import Boundary, CommandHandler, selection_of


class EventText(msgspec.Struct, frozen=True):
    """An event as it would be stored; `payload` is its own fields as JSON."""

    type: str
    version: int
    tags: tuple[str, ...]
    payload: msgspec.Raw


class Preview(msgspec.Struct, frozen=True):
    """The events that would follow a command.

    `position` is that of the history which it was decided on. To send the command only if nothing has changed since,
    give it back: `send(command, expected=preview.position)`.
    """

    events: tuple[Event, ...]
    position: Position
    texts: tuple[EventText, ...]


class Previewer:
    """Decides commands without storing anything: no event, no ledger entry, and nothing in the cache.

    Args:
        handlers: the application's command handlers, by command class.
        provided: dependencies by type.
        history: what is read.
        codec: the application's events.
        failure: makes the error of a handler that failed, by its name.
    """

    def __init__(
        self,
        handlers: Mapping[type[Command], CommandHandler],
        provided: Mapping[type, Any],
        history: History,
        codec: Codec,
        failure: Callable[[str, Exception], HandlerFailed],
    ) -> None:
        self._handlers = {command: (handler, handler.bind(provided)) for command, handler in handlers.items()}
        self._history = history
        self._codec = codec
        self._failure = failure

    async def preview(
        self, command: Command, context: Context, *, as_of: Position | None, expected: Position | None
    ) -> Preview:
        """Decide a command on what is durable.

        Args:
            command: checked already.
            context: for a handler that asks for it.
            as_of: decide as if the history ended at this position.
            expected: the position since which nothing that it rests on may have changed, if the sender says one.

        Raises:
            Rejected: the handler decided against it.
            ChangedSince: what it rests on is not as the sender expects.
            UnknownPosition: the history has not reached `as_of`.
            InvalidMessage: its handler writes rows of its own, which could not be left unwritten.
            HandlerFailed: the handler, or a model's `evolve`, raised what it should not.
            StoreError: the history cannot be read.
        """
        handler, call = self._handlers[type(command)]
        if handler.transaction_name is not None:
            problem = "its handler writes rows of its own, which a preview could not leave unwritten"
            raise InvalidMessage(message=type(command).message_name, field="", problem=problem)
        position = await self._position(as_of)
        try:
            boundaries = handler.boundaries(command)
            if expected is not None:
                await self._check(command, boundaries, expected, position)
            folded = {boundary: await self._folded(boundary, position) for boundary in dict.fromkeys(boundaries)}
            models = [folded[boundary].model for boundary in boundaries]
            before = [State(model) for model in models]
            result = call(command, models, context)
            events = handler.returned(await result if handler.signature.is_async else result)
            if any(state.has_changed() for state in before):
                raise TypeError("it changed a model; a handler reads its models, only evolve changes them")
            return Preview(events, position, tuple(self._text(event, list(folded.values())) for event in events))
        except (Rejected, ChangedSince, StoreError):
            raise
        except Exception as error:
            raise self._failure(handler.signature.name, error) from error

    async def _position(self, as_of: Position | None) -> Position:
        head = await self._history.head()
        if as_of is not None and not 0 <= as_of <= head:
            raise UnknownPosition(position=as_of, head=head)
        return head if as_of is None else as_of

    async def _check(
        self, command: Command, boundaries: Sequence[Boundary], expected: Position, position: Position
    ) -> None:
        changes = self._history.read(selection_of(boundaries), after=expected, until=position, limit=1)
        async for batch in changes:
            name = type(command).message_name
            raise ChangedSince(command=name, expected=expected, position=batch[0].position)

    async def _folded(self, boundary: Boundary, position: Position) -> Entry:
        entry = Entry(boundary)
        async for batch in self._history.read(Selection((entry.criterion,)), until=position):
            for recorded in batch:
                entry.fold(self._codec.decode(recorded), recorded.metadata if entry.takes_metadata else None)
        return entry

    def _text(self, event: Event, entries: Sequence[Entry]) -> EventText:
        """Return an event as it would be stored, after its models have shown that they can take it."""
        proposed = self._codec.propose(event, b"")
        for entry in entries:
            if entry.criterion.takes(proposed.type, proposed.tags) and not entry.takes_metadata:
                entry.fold(event)
        return EventText(proposed.type, proposed.version, proposed.tags, msgspec.Raw(proposed.payload))
