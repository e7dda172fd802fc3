"""An application described: its commands, events, read models and queries, and what leads to what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from twofold.app import App
from twofold.cli.fields import Field, fields_of
from twofold.cli.message_help import documentation_of
from twofold.message import Event, tagged_fields
from twofold.model import fold_of
from twofold.read.handler import QueryHandler
from twofold.read.table import Table
from twofold.wire import name_of
from twofold.write.handler import CommandHandler


class WriteModelUse(msgspec.Struct, frozen=True):
    """A write model that a command is decided on, or `many`: which tags it is folded from, and which events count."""

    name: str
    tags: tuple[str, ...]
    events: tuple[str, ...]
    many: bool


class CommandDescription(msgspec.Struct, frozen=True):
    """A command: its handler, the write models that it rests on, the events that it may lead to."""

    name: str
    about: str
    handler: str
    fields: tuple[Field, ...]
    write_models: tuple[WriteModelUse, ...]
    events: tuple[str, ...]


class EventDescription(msgspec.Struct, frozen=True):
    """An event: the tags that its fields give it, the commands that it comes from, the models folded from it."""

    name: str
    about: str
    version: int
    fields: tuple[Field, ...]
    tags: tuple[str, ...]
    commands: tuple[str, ...]
    write_models: tuple[str, ...]
    read_models: tuple[str, ...]


class ReadModelDescription(msgspec.Struct, frozen=True):
    """A read model: its table, its key, the events that it is folded from, the queries answered from it."""

    name: str
    about: str
    table: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    events: tuple[str, ...]
    queries: tuple[str, ...]


class QueryDescription(msgspec.Struct, frozen=True):
    """A query: its handler, what it is answered with, and from which read models."""

    name: str
    about: str
    handler: str
    fields: tuple[Field, ...]
    answer: str
    read_models: tuple[str, ...]


class Description(msgspec.Struct, frozen=True):
    """The whole application, everything in the order of names."""

    name: str
    commands: tuple[CommandDescription, ...]
    events: tuple[EventDescription, ...]
    read_models: tuple[ReadModelDescription, ...]
    queries: tuple[QueryDescription, ...]


def description_of(app: App) -> Description:
    """Return the description of an application."""
    commands = _by_name(_command(handler) for handler in app.commands.values())
    queries = _by_name(_query(handler) for handler in app.queries.values())
    read_models = _by_name(_read_model(table, queries) for table in app.tables.values())
    events = tuple(_event(event, commands, read_models) for event in app.events)
    return Description(app.name, commands, events, read_models, queries)


def _by_name(parts: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(parts, key=lambda part: str(part.name)))


def _command(handler: CommandHandler) -> CommandDescription:
    kind = handler.command
    return CommandDescription(
        name=name_of(kind),
        about=_about(kind, handler.signature.function),
        handler=handler.signature.name,
        fields=fields_of(kind),
        write_models=tuple(
            WriteModelUse(use.model.__name__, use.model.model_tags, _names(fold_of(use.model).events), use.many)
            for use in handler.models
        ),
        events=_names(handler.events),
    )


def _event(
    event: type[Event], commands: Iterable[CommandDescription], read_models: Iterable[ReadModelDescription]
) -> EventDescription:
    name = name_of(event)
    uses = {use.name for command in commands for use in command.write_models if name in use.events}
    return EventDescription(
        name=name,
        about=_about(event, None),
        version=event.message_version,
        fields=fields_of(event),
        tags=tuple(field.kind for field in tagged_fields(event)),
        commands=tuple(command.name for command in commands if name in command.events),
        write_models=tuple(sorted(uses)),
        read_models=tuple(model.name for model in read_models if name in model.events),
    )


def _read_model(table: Table[Any], queries: Iterable[QueryDescription]) -> ReadModelDescription:
    return ReadModelDescription(
        name=table.name,
        about=_about(table.model, None),
        table=table.live_name,
        key=table.key,
        fields=fields_of(table.model),
        events=table.event_names,
        queries=tuple(query.name for query in queries if table.name in query.read_models),
    )


def _query(handler: QueryHandler) -> QueryDescription:
    return QueryDescription(
        name=name_of(handler.query),
        about=_about(handler.query, handler.signature.function),
        handler=handler.signature.name,
        fields=fields_of(handler.query),
        answer=_type_text(handler.answer),
        read_models=tuple(use.model.model_name for use in handler.views),
    )


def _about(kind: type[msgspec.Struct], handler: Callable[..., Any] | None) -> str:
    return documentation_of(kind, handler).partition("\n")[0]


def _names(kinds: Iterable[type[msgspec.Struct]]) -> tuple[str, ...]:
    return tuple(name_of(kind) for kind in kinds)


def _type_text(annotation: Any) -> str:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    arguments = getattr(annotation, "__args__", ())
    text = str(annotation).replace("typing.", "")
    for part in arguments:
        if isinstance(part, type):
            text = text.replace(f"{part.__module__}.{part.__qualname__}", part.__name__)
    return text
