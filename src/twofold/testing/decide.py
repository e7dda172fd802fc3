"""`when`: a command is decided against what was given, as a node would decide it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from twofold import wire
from twofold.app import App
from twofold.context import Context
from twofold.errors import DeclarationError, InvalidMessage, Rejected
from twofold.history.boundary import Selection
from twofold.message import Command, Event
from twofold.model import WriteModel
from twofold.testing.story import Happened, history_of, stored, told
from twofold.write.cache import Entry
from twofold.write.handler import CommandHandler


async def decide(
    app: App, provided: Mapping[type, Any], facts: Sequence[Happened], command: Command, context: Context
) -> tuple[Event, ...] | Rejected:
    """Decide a command against models folded from the given events, with every check that a node makes.

    Raises:
        AssertionError: anything but events or a rejection came of it, or the handler changed a model.
    """
    handler = _handler_of(app, command)
    if handler.transaction_name is not None:
        raise AssertionError(
            f"{shown(handler)} asks for a Transaction, and a scenario has no database\n"
            "  mend: send the command to a node, on SQLite in a temporary folder"
        )
    call = _bound(handler, provided)
    try:
        wire.checked(command)
        boundaries = handler.boundaries(command)
    except InvalidMessage as error:
        raise AssertionError(f"the command {command!r} is refused before it is decided: {error}") from error
    entries = [Entry(boundary) for boundary in boundaries]
    await _fold(app, facts, entries, handler)
    models = [entry.model for entry in entries]
    changed = _watch(models)
    story = told(facts, "when", command)
    try:
        outcome = await _called(handler, call, command, models, context)
    except Exception as error:
        raise AssertionError(f"{shown(handler)} raised {type(error).__name__}: {error}\n\n{story}") from error
    if change := changed():
        raise AssertionError(
            f"{shown(handler)} changed a write model, which only evolve may do: {change}\n"
            f"  mend: return an event, and let evolve change the model\n\n{story}"
        )
    if not isinstance(outcome, Rejected):
        _take_in(app, outcome, entries, handler, len(facts))
    return outcome


def shown(handler: CommandHandler) -> str:
    """Return a handler's name with its place."""
    return f"{handler.signature.name} ({handler.signature.where})"


def _bound(handler: CommandHandler, provided: Mapping[type, Any]) -> Callable[..., Any]:
    try:
        return handler.bind(provided)
    except DeclarationError as error:
        raise AssertionError(f"{error.what}\n  mend: give it to the scenario: scenario(app, provide=[…])") from error


def _handler_of(app: App, command: Command) -> CommandHandler:
    handler = app.commands.get(type(command))
    if handler is None:
        known = ", ".join(sorted(kind.__name__ for kind in app.commands)) or "none"
        raise AssertionError(f"no handler takes {type(command).__name__}; the application's commands: {known}")
    return handler


async def _called(
    handler: CommandHandler, call: Callable[..., Any], command: Command, models: list[WriteModel], context: Context
) -> tuple[Event, ...] | Rejected:
    try:
        result = call(command, models, context)
        return handler.returned(await result if handler.signature.is_async else result)
    except Rejected as rejection:
        return rejection


async def _fold(app: App, facts: Sequence[Happened], entries: Sequence[Entry], handler: CommandHandler) -> None:
    history = await history_of(facts, app.codec)
    for entry in entries:
        async for batch in history.read(Selection((entry.criterion,))):
            for recorded in batch:
                with _evolving(entry, handler, facts[recorded.position - 1].event):
                    entry.fold(app.codec.decode(recorded), recorded.metadata)


def _take_in(
    app: App, events: Sequence[Event], entries: Sequence[Entry], handler: CommandHandler, position: int
) -> None:
    # As the group commit does before it lets the decision wait: an event that a model cannot take is not stored.
    for number, event in enumerate(events, position + 1):
        proposed = stored(event, app.codec, number, f"{shown(handler)}: the returned event")
        for entry in entries:
            if entry.criterion.takes(proposed.type, proposed.tags) and not entry.takes_metadata:
                with _evolving(entry, handler, event):
                    entry.fold(event)


@contextmanager
def _evolving(entry: Entry, handler: CommandHandler, event: Event) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        model = entry.boundary.model.__name__
        raise AssertionError(
            f"{shown(handler)}: {model}.evolve could not take {event!r}: {type(error).__name__}: {error}"
        ) from error


def _watch(models: Sequence[WriteModel]) -> Callable[[], str]:
    """Return a function that tells what has changed in the models since now; empty where nothing has."""
    copies = [copy.deepcopy(model) for model in models]
    # A field whose copy is not equal to it cannot be watched: its type does not compare by value.
    watched = [
        (model, name, getattr(before, name))
        for model, before in zip(models, copies, strict=True)
        for name in model.__struct_fields__
        if getattr(before, name) == getattr(model, name)
    ]

    def changed() -> str:
        return ", ".join(
            f"{type(model).__name__}.{name} was {before!r} and is {getattr(model, name)!r}"
            for model, name, before in watched
            if getattr(model, name) != before
        )

    return changed
