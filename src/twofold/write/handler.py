"""A command handler: which write models it is given, and which events it may return."""

from __future__ import annotations

import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin

import msgspec

from twofold.context import Context
from twofold.history.boundary import Criterion, Selection
from twofold.history.record import Proposed
from twofold.message import Command, Event, TaggedField, tag_in, tagged_fields
from twofold.model import WriteModel, check_write_model, fold_of, is_event, members_of
from twofold.signature import Signature, read_signature, refuse_value, resolve
from twofold.wall import side_of


class Boundary(msgspec.Struct, frozen=True):
    """The events that one write model is folded from: those of one tag. It is the key of the model's cache entry."""

    model: type[WriteModel]
    tag: str

    @property
    def criterion(self) -> Criterion:
        """The part of a decision's condition that this model stands for."""
        return Criterion(_event_names(self.model), (self.tag,))

    def takes(self, event: Proposed) -> bool:
        """Tell whether an event belongs to the model."""
        return self.tag in event.tags and event.type in _event_names(self.model)


@cache
def _event_names(model: type[WriteModel]) -> tuple[str, ...]:
    return tuple(event.message_name for event in fold_of(model).events)


def selection_of(boundaries: Iterable[Boundary]) -> Selection:
    """Return the selection of a decision that rests on these boundaries."""
    return Selection(tuple(boundary.criterion for boundary in boundaries))


class ModelParameter(msgspec.Struct, frozen=True):
    """A write model that a handler asks for, and the field of the command whose tag tells which one."""

    name: str
    model: type[WriteModel]
    field: TaggedField


class CommandHandler:
    """A function that decides one kind of command.

    Args:
        function: `(command, *models) -> events`, plain or async; its annotations are the wiring.
        names: what may be named in annotations besides the module's own names.

    Raises:
        DeclarationError: the wiring cannot be told from the annotations, or crosses the wall to the read side.
    """

    def __init__(self, function: Callable[..., Any], names: dict[str, Any] | None = None) -> None:
        self.signature: Signature = read_signature(function, Command, names)
        self.command: type[Command] = typing.cast(type[Command], self.signature.message)
        self.events = _events_of(self.signature)
        self.models: tuple[ModelParameter, ...] = ()
        self.dependencies: dict[str, type] = {}
        self.context_name: str | None = None
        for parameter in self.signature.parameters:
            self._take(parameter.name, parameter.annotation)

    def boundaries(self, command: Command) -> tuple[Boundary, ...]:
        """Return the boundaries that a command's own fields name, in the order of the handler's parameters.

        Raises:
            InvalidMessage: a field that names a boundary is empty.
        """
        return tuple(
            [
                Boundary(wanted.model, tag_in(command, wanted.field, getattr(command, wanted.field.field)))
                for wanted in self.models
            ]
        )

    def bind(self, provided: Mapping[type, Any]) -> Callable[[Command, Sequence[WriteModel], Context], Any]:
        """Return the handler as a function of command, models and context, dependencies filled in.

        Raises:
            DeclarationError: a dependency was not provided.
        """
        function = self.signature.function
        found = resolve(self.dependencies.values(), provided, self.signature)
        constant = {name: found[kind] for name, kind in self.dependencies.items()}
        names = [wanted.name for wanted in self.models]
        context_name = self.context_name
        if len(names) == len(self.signature.parameters):
            return lambda command, models, context: function(command, *models)

        def call(command: Command, models: Sequence[WriteModel], context: Context) -> Any:
            given: dict[str, Any] = {**dict(zip(names, models, strict=True)), **constant}
            if context_name is not None:
                given[context_name] = context
            return function(command, **given)

        return call

    def returned(self, result: Any) -> tuple[Event, ...]:
        """Return what a handler returned as a tuple of events.

        Raises:
            TypeError: it returned something that its annotation does not name.
        """
        if result is None:
            return ()
        events = (result,) if isinstance(result, Event) else tuple(result)
        for event in events:
            if type(event) not in self.events:
                allowed = ", ".join(kind.__name__ for kind in self.events) or "nothing"
                raise TypeError(f"it returned {type(event).__name__}, its annotation allows {allowed}")
        return events

    def _take(self, name: str, annotation: Any) -> None:
        if annotation is Context and self.context_name is None:
            self.context_name = name
        elif isinstance(annotation, type) and issubclass(annotation, WriteModel):
            check_write_model(annotation)
            self.models = (*self.models, ModelParameter(name, annotation, self._field_for(name, annotation)))
        elif side_of(annotation) == "read":
            raise self.signature.refuse(
                f"parameter {name!r} asks for the read side; a decision that rests on a read model would rest on "
                "what was true some time ago",
                "ask for a WriteModel, which is folded from the history itself and checked at the append",
            )
        elif isinstance(annotation, type) and not issubclass(annotation, Command | Event | Context):
            refuse_value(self.signature, name, annotation)
            self.dependencies[name] = annotation
        else:
            raise self.signature.refuse(
                f"parameter {name!r} is annotated with {annotation!r}, which no command handler can be given",
                "ask for a WriteModel, once for Context, or for an object of a class that is provided at open",
            )

    def _field_for(self, name: str, model: type[WriteModel]) -> TaggedField:
        kind = model.model_tag
        fields = [field for field in tagged_fields(self.command) if field.kind == kind and not field.many]
        if not fields:
            carried = ", ".join(sorted({field.kind for field in tagged_fields(self.command)})) or "no tag"
            raise self.signature.refuse(
                f"{model.__name__} is loaded by tag {kind!r}, which {self.command.__name__} does not carry "
                f"(it carries: {carried})",
                f'tag a field of {self.command.__name__}: `Annotated[UUID, Tag("{kind}")]`',
            )
        if len(fields) == 1:
            return fields[0]
        named = [field for field in fields if field.field in (name, f"{name}_id", f"{name}_{kind}")]
        if len(named) != 1:
            found = ", ".join(field.field for field in fields)
            raise self.signature.refuse(
                f"{self.command.__name__} has several fields with tag {kind!r} ({found}), and parameter {name!r} is "
                "named after none of them",
                f"name the parameter after its field: `{fields[0].field}: {model.__name__}`",
            )
        return named[0]


def _events_of(signature: Signature) -> tuple[type[Event], ...]:
    found = tuple(dict.fromkeys(_events_in(signature.returns)))
    if any(not is_event(part) for part in found):
        wrong = next(part for part in found if not is_event(part))
        raise signature.refuse(
            f"its return annotation names {getattr(wrong, '__name__', wrong)}, which is no event",
            "return events only: `-> Happened`, `-> Happened | None`, `-> list[Happened | AlsoHappened]`",
        )
    return found


def _events_in(annotation: Any, *, among_several: bool = False) -> Iterator[Any]:
    for part in members_of(annotation):
        origin = get_origin(part)
        if part is type(None) and not among_several:
            continue
        if isinstance(origin, type) and issubclass(origin, Iterable):
            for argument in get_args(part)[:1] if issubclass(origin, Generator) else get_args(part):
                if argument is not Ellipsis:
                    yield from _events_in(argument, among_several=True)
        else:
            yield part
