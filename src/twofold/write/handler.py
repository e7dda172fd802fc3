"""A command handler: which write models it is given, and which events it may return."""

from __future__ import annotations

import typing
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice, product
from typing import Any, Protocol, TypeAlias, get_args, get_origin

import msgspec

from twofold.context import Context
from twofold.history.boundary import Criterion, Selection
from twofold.history.transaction import Transaction
from twofold.message import Command, Event, TaggedField, tag_in, tag_reader, tagged_fields
from twofold.model import WriteModel, check_write_model, fold_of, is_event, members_of
from twofold.signature import Signature, read_signature, refuse_value, resolve
from twofold.wall import side_of

_Reader: TypeAlias = Callable[[msgspec.Struct], str]


class Boundary(msgspec.Struct, frozen=True, gc=False):
    """The events that one write model is folded from: those that carry all its tags. It is the model's cache key."""

    model: type[WriteModel]
    tags: tuple[str, ...]

    @property
    def criterion(self) -> Criterion:
        """The part of a decision's condition that this model stands for."""
        return Criterion(_event_names(self.model), self.tags)


@cache
def _event_names(model: type[WriteModel]) -> tuple[str, ...]:
    return tuple(event.message_name for event in fold_of(model).events)


class HasCriterion(Protocol):
    """What has a criterion: a boundary, or a model that is folded from one."""

    @property
    def criterion(self) -> Criterion:
        """Which events are selected."""
        ...


def selection_of(boundaries: Iterable[HasCriterion]) -> Selection:
    """Return the selection of a decision that rests on these."""
    return Selection(tuple([boundary.criterion for boundary in boundaries]))


class ModelParameter(msgspec.Struct, frozen=True):
    """What a handler asks for under one name: a write model, or a list of `many`.

    `fields` has, for each tag of the model, the fields of the command that tell its value, or its values.
    """

    name: str
    model: type[WriteModel]
    fields: tuple[tuple[TaggedField, ...], ...]
    many: bool = False

    def boundaries(self, command: Command) -> list[Boundary]:
        """Return the boundary that a command names, or the boundaries, in the order of its values.

        Where several of a model's tags have several values, every combination is named.

        Raises:
            InvalidMessage: a field that names a boundary is empty.
        """
        if not self.many:
            tags = tuple([tag_in(command, field, _value_in(command, field)) for (field,) in self.fields])
            return [Boundary(self.model, tags)]
        found = [
            [tag_in(command, field, value) for field in fields for value in field.values(command)]
            for fields in self.fields
        ]
        return [Boundary(self.model, tags) for tags in product(*found)]


def _value_in(command: Command, field: TaggedField) -> Any:
    return next(iter(field.values(command)), None) if field.path else getattr(command, field.field)


def _readers_of(models: Sequence[ModelParameter]) -> list[tuple[type[WriteModel], list[_Reader]]] | None:
    """Return how each model's tags are read where every one is a field's own value, as most are; else None."""
    if any(wanted.many or any(field.path for (field,) in wanted.fields) for wanted in models):
        return None
    return [(wanted.model, [tag_reader(field) for (field,) in wanted.fields]) for wanted in models]


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
        self.transaction_name: str | None = None
        for parameter in self.signature.parameters:
            self._take(parameter.name, parameter.annotation)
        self._readers = _readers_of(self.models)

    def boundaries(self, command: Command) -> tuple[Boundary, ...]:
        """Return the boundaries that a command's own fields name, in the order of the handler's parameters.

        Raises:
            InvalidMessage: a field that names a boundary is empty.
        """
        if self._readers is None:
            return tuple([boundary for wanted in self.models for boundary in wanted.boundaries(command)])
        return tuple([Boundary(model, tuple([read(command) for read in tags])) for model, tags in self._readers])

    def bind(self, provided: Mapping[type, Any]) -> Callable[..., Any]:
        """Return the handler as a function of command, models, context and, if it asks for it, transaction.

        Raises:
            DeclarationError: a dependency was not provided.
        """
        function = self.signature.function
        found = resolve(self.dependencies.values(), provided, self.signature)
        constant = {name: found[kind] for name, kind in self.dependencies.items()}
        context_name, transaction_name = self.context_name, self.transaction_name
        if len(self.models) == len(self.signature.parameters) and not any(wanted.many for wanted in self.models):
            return lambda command, models, context: function(command, *models)

        def call(
            command: Command, models: Sequence[WriteModel], context: Context, transaction: Transaction | None = None
        ) -> Any:
            given: dict[str, Any] = {**self._by_name(command, models), **constant}
            if context_name is not None:
                given[context_name] = context
            if transaction_name is not None:
                given[transaction_name] = transaction
            return function(command, **given)

        return call

    def _by_name(self, command: Command, models: Sequence[WriteModel]) -> dict[str, Any]:
        """Return the models of a command's boundaries as the handler asks for them."""
        left = iter(models)
        return {
            wanted.name: list(islice(left, len(wanted.boundaries(command)))) if wanted.many else next(left)
            for wanted in self.models
        }

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
        elif annotation is Transaction and self.transaction_name is None:
            if not self.signature.is_async:
                raise self.signature.refuse(
                    f"parameter {name!r} asks for a Transaction, whose statements are awaited; the function is plain",
                    f"make it `async def {self.signature.name.rpartition('.')[2]}(…)`",
                )
            self.transaction_name = name
        elif (model := _model_in(annotation)) is not None:
            check_write_model(model)
            self.models = (*self.models, self._model_parameter(name, model, many=model is not annotation))
        elif side_of(annotation) == "read":
            raise self.signature.refuse(
                f"parameter {name!r} asks for the read side; a decision that rests on a read model would rest on "
                "what was true some time ago",
                "ask for a WriteModel, which is folded from the history itself and checked at the append",
            )
        elif isinstance(annotation, type) and not issubclass(annotation, Command | Event | Context | Transaction):
            refuse_value(self.signature, name, annotation)
            self.dependencies[name] = annotation
        else:
            raise self.signature.refuse(
                f"parameter {name!r} is annotated with {annotation!r}, which no command handler can be given",
                "ask for a WriteModel, a list of one, once for Context, once for Transaction, or for an object of a "
                "class that is provided at open",
            )

    def _model_parameter(self, name: str, model: type[WriteModel], *, many: bool) -> ModelParameter:
        fields = tuple(self._fields_for(name, model, kind, many=many) for kind in model.model_tags)
        if many and not any(len(of_kind) > 1 or any(field.many for field in of_kind) for of_kind in fields):
            raise self.signature.refuse(
                f"parameter {name!r} asks for a list, and {self.command.__name__} names one {model.__name__}",
                f"ask for that one: `{name}: {model.__name__}`",
            )
        return ModelParameter(name, model, fields, many)

    def _fields_for(self, name: str, model: type[WriteModel], kind: str, *, many: bool) -> tuple[TaggedField, ...]:
        """Return the command's fields that tell a model's tag: one, or for a list all that may."""
        carrying = tuple(field for field in tagged_fields(self.command) if field.kind == kind)
        if not carrying:
            carried = ", ".join(sorted({field.kind for field in tagged_fields(self.command)})) or "no tag"
            raise self.signature.refuse(
                f"{model.__name__} is loaded by tag {kind!r}, which {self.command.__name__} does not carry "
                f"(it carries: {carried})",
                f'tag a field of {self.command.__name__}: `Annotated[UUID, Tag("{kind}")]`',
            )
        names = (name, f"{name}_id", f"{name}_{kind}")
        named = tuple(field for field in carrying if field.field in names or field.name in names)
        if many:
            return named or carrying
        single = tuple(field for field in named or carrying if not field.many)
        if not single:
            several = (named or carrying)[0].field
            raise self.signature.refuse(
                f"{self.command.__name__}.{several} has many values of tag {kind!r}, "
                f"and parameter {name!r} asks for one {model.__name__}",
                f"ask for a list: `{several}: list[{model.__name__}]`",
            )
        if len(single) != 1:
            raise self.signature.refuse(
                f"{self.command.__name__} has several fields with tag {kind!r} "
                f"({', '.join(field.field for field in single)}), and parameter {name!r} is named after none of them",
                f"name the parameter after its field: `{single[0].field}: {model.__name__}`",
            )
        return single


def _model_in(annotation: Any) -> type[WriteModel] | None:
    """Return the write model that an annotation names, alone or in a list."""
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, WriteModel) else None


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
