"""Write models and read models: what evolves with the events.

Both sides fold with one word, `evolve`. Its annotation says which events it takes; that set is the boundary's
type filter, so that unrelated events on the same tag never matter.
"""

from __future__ import annotations

import inspect
import itertools
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec

from twofold.errors import DeclarationError
from twofold.message import Event, Metadata, Occurred, fields_of, tagged_fields
from twofold.place import where_is


@dataclass_transform(field_specifiers=(msgspec.field,))
class WriteModelType(msgspec.StructMeta):
    """The metaclass of write models: takes `tag=`."""

    def __new__(
        mcls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        tag: str | tuple[str, ...] | None = "",
        **options: Any,
    ) -> WriteModelType:
        """Make the class; `tag` is the kind of tag whose events it is folded from.

        Of several kinds an event must carry all; None stands for every event of the types that `evolve` takes.
        """
        made = super().__new__(mcls, class_name, bases, namespace, **options)
        made.model_tags = () if tag is None else (tag,) if isinstance(tag, str) else tuple(tag)
        return made

    model_tags: tuple[str, ...]


@dataclass_transform(field_specifiers=(msgspec.field,))
class ReadModelType(msgspec.StructMeta):
    """The metaclass of read models.

    It takes `key=`, `name=`, `version=`, `segments=`, `max_parked=`, `indexes=`, `search=`, `store=` and `tables=`.
    """

    def __new__(
        mcls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        key: str | tuple[str, ...] = (),
        name: str | None = None,
        version: int = 1,
        segments: int = 1,
        max_parked: int = 1_000,
        indexes: Iterable[str | tuple[str, ...]] = (),
        search: Iterable[str] = (),
        store: str = "",
        tables: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ReadModelType:
        """Make the class; `key` names the field or fields that tell its rows apart.

        Its keys are spread over `segments`, which nodes project side by side. Where more keys than `max_parked` are
        parked, its projection stops.

        `tables` are further ones that its `project` works with: their columns, by name.
        `indexes` are fields, or tuples of fields, by which rows are found or ordered; `-field` for descending.
        `search` are fields of text whose words `View.search` looks for.
        `store` names where it is kept, apart from those that name none; `App.open` is told where that is.
        """
        made = super().__new__(mcls, class_name, bases, namespace, **options)
        made.model_key = (key,) if isinstance(key, str) else tuple(key)
        made.model_name = name or class_name
        made.model_version = version
        made.model_segments = segments
        made.model_max_parked = max_parked
        made.model_store = store
        declared = (indexes,) if isinstance(indexes, str) else indexes
        made.model_indexes = tuple((each,) if isinstance(each, str) else tuple(each) for each in declared)
        made.model_search = (search,) if isinstance(search, str) else tuple(search)
        made.model_tables = dict(tables or {})
        return made

    model_key: tuple[str, ...]
    model_indexes: tuple[tuple[str, ...], ...]
    model_search: tuple[str, ...]
    model_name: str
    model_version: int
    model_segments: int
    model_max_parked: int
    model_store: str
    model_tables: dict[str, str]


class WriteModel(msgspec.Struct, metaclass=WriteModelType):
    """State folded on demand, to decide a command, from the events of a tag, or of several tags, or of some types.

        class Course(WriteModel, tag="course"): ...
        class Enrolment(WriteModel, tag=("course", "student")): ...   # events that carry both
        class Invoices(WriteModel, tag=None): ...                     # whatever their tags

    Every field has a default: that is the state before the first event. Handlers read it, only `evolve` changes it.
    """

    __side__: ClassVar[str] = "write"
    if TYPE_CHECKING:
        __dir__: ClassVar[None]  # type: ignore[assignment]  # see twofold.wall


class ReadModel(msgspec.Struct, metaclass=ReadModelType):
    """State folded from all events into a table, ahead of time, to answer queries. One instance is one row.

    Fields other than the key have defaults: that is the row before its first event. Which row an event belongs to
    is told by its fields of the key's names, or, where a read model defines it, by a static method

        @staticmethod
        def keys(event: StepCompleted) -> Iterable[date]: ...

    which returns the key values (tuples where the key has several fields) of all rows that the event touches; it
    may take a second parameter `meta: Metadata`, as `evolve` may. Where `evolve` returns `Delete()`, the row is
    deleted; a later event of its key begins a new one. An `evolve` that takes `Event` takes every event that the
    application knows; it needs such a method.

    For SQL of one's own, a read model defines `project` in place of `evolve`:

        @staticmethod
        async def project(events: Sequence[Occurred[Sold | Refunded]], tx: BatchTransaction) -> None: ...
    """

    __side__: ClassVar[str] = "read"


class Delete(msgspec.Struct, frozen=True):
    """What a read model's `evolve` returns to have its row deleted.

    def evolve(self, event: Opened | Closed) -> Delete | None:
        return Delete() if isinstance(event, Closed) else None
    """


class Fold(msgspec.Struct, frozen=True):
    """What a model's `evolve` takes: these event classes, and whether it wants the metadata too."""

    events: tuple[type[Event], ...]
    takes_metadata: bool

    @property
    def takes_all(self) -> bool:
        """Tell whether it takes every event of the application: its annotation is `Event` itself."""
        return Event in self.events


def hints_of(function: Callable[..., Any], names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a function's annotations, resolved; `names` are looked in besides its module.

    Raises:
        DeclarationError: a name in an annotation is not known.
    """
    try:
        return get_type_hints(function, localns=names, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            what=f"an annotation of {function.__qualname__} cannot be resolved: {error}",
            where=where_is(function),
            mend="import the name, or define it at the top of the module, before the function",
        ) from error


def members_of(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for member in get_args(annotation) for part in members_of(member))
    return (annotation,)


def is_event(annotation: Any) -> bool:
    """Tell whether an annotation is an event class of the application."""
    return isinstance(annotation, type) and issubclass(annotation, Event) and annotation is not Event


@cache
def fold_of(model: type[msgspec.Struct]) -> Fold:
    """Return what a model's `evolve` takes.

    Raises:
        DeclarationError: there is no `evolve`, or its annotation is not an event or a union of events.
    """
    evolve = getattr(model, "evolve", None)
    project = project_of(model)
    if project is not None:
        if callable(evolve):
            raise DeclarationError(
                what=f"{model.__name__} has both evolve and project",
                where=where_is(model),
                mend="keep `evolve` to fold event by event, or `project` to take whole batches with SQL",
            )
        return Fold(_events_of_project(project, f"{model.__name__}.project"), True)
    if not callable(evolve):
        raise DeclarationError(
            what=f"{model.__name__} has no evolve method",
            where=where_is(model),
            mend="define `def evolve(self, event: SomethingHappened) -> None:`",
        )
    if inspect.isgeneratorfunction(evolve):
        raise _not_plain(evolve, f"{model.__name__}.evolve")
    return _fold_of_function(evolve, f"{model.__name__}.evolve", skip=1, may_take_all=issubclass(model, ReadModel))


def project_of(model: type[msgspec.Struct]) -> Callable[..., Any] | None:
    """Return the `project` of a read model that is projected in batches; None of every other model."""
    project: Callable[..., Any] | None = getattr(model, "project", None)
    return project if isinstance(model, ReadModelType) and callable(project) else None


def _events_of_project(project: Callable[..., Any], label: str) -> tuple[type[Event], ...]:
    hints = hints_of(project, vars(sys.modules.get(project.__module__, types.ModuleType(""))))
    parameters = list(inspect.signature(project).parameters)
    taken = hints.get(parameters[0]) if parameters else None
    (of,) = get_args(taken) or (None,)
    events = members_of((get_args(of) or (None,))[0])
    is_told = get_origin(taken) is Sequence and get_origin(of) is Occurred and all(is_event(each) for each in events)
    is_plain = inspect.iscoroutinefunction(project) and not isinstance(project, types.MethodType)
    if not (is_told and is_plain and len(parameters) == 2):
        raise DeclarationError(
            what=f"{label} is no function that projects batches",
            where=where_is(project),
            mend="write it as `@staticmethod async def project(events: Sequence[Occurred[Opened | Closed]], "
            "tx: BatchTransaction) -> None:`",
        )
    return tuple(dict.fromkeys(events))


def _not_plain(function: Callable[..., Any], label: str) -> DeclarationError:
    return DeclarationError(
        what=f"{label} is async or a generator; it has to do its work when it is called",
        where=where_is(function),
        mend="make it a plain function, without async, await and yield",
    )


def _fold_of_function(function: Callable[..., Any], label: str, *, skip: int, may_take_all: bool) -> Fold:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise _not_plain(function, label)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    hints = hints_of(function, vars(sys.modules.get(function.__module__, types.ModuleType(""))))
    if not 1 <= len(parameters) <= 2:
        raise DeclarationError(
            what=f"{label} takes {len(parameters)} parameters",
            where=where_is(function),
            mend="let it take the event and, if wanted, a second parameter `meta: Metadata`",
        )
    taken = hints.get(parameters[0].name)
    events = members_of(taken)
    if taken is None or not all(is_event(event) or (may_take_all and event is Event) for event in events):
        shown = "nothing" if taken is None else getattr(taken, "__name__", taken)
        raise DeclarationError(
            what=f"{label} must say which events it takes; its annotation is {shown}",
            where=where_is(function),
            mend="annotate the parameter with an event or a union of events: `event: Opened | Closed`",
        )
    if len(parameters) == 2 and hints.get(parameters[1].name) is not Metadata:
        raise DeclarationError(
            what=f"the second parameter of {label} must be Metadata",
            where=where_is(function),
            mend="annotate it: `meta: Metadata`, or leave it out",
        )
    return Fold(tuple(dict.fromkeys(events)), len(parameters) == 2)


def check_write_model(model: type[WriteModel]) -> None:
    """Refuse a write model that cannot be folded.

    Raises:
        DeclarationError: no tag, a tag twice, an unknown tag, a field without a default, or a wrong `evolve`.
    """
    fold = fold_of(model)
    if model.model_tags == ("",):
        raise DeclarationError(
            what=f"write model {model.__name__} does not say which tag it is folded from",
            where=where_is(model),
            mend=f'declare it with the tag: `class {model.__name__}(WriteModel, tag="…")`; `tag=None` where it is '
            "folded from all events that evolve takes",
        )
    if len(set(model.model_tags)) < len(model.model_tags):
        raise DeclarationError(
            what=f"write model {model.__name__} names a tag twice: {', '.join(model.model_tags)}",
            where=where_is(model),
            mend="name each kind of tag once: an event is taken that carries all of them",
        )
    for event, tag in itertools.product(fold.events, model.model_tags):
        kinds = [field.kind for field in tagged_fields(event)]
        if tag not in kinds:
            raise DeclarationError(
                what=f"{model.__name__} is folded from tag {tag!r}, which {event.__name__} does not "
                f"carry (it carries: {', '.join(kinds) or 'none'})",
                where=where_is(model),
                mend=f'tag a field of {event.__name__}: `Annotated[UUID, Tag("{tag}")]`',
            )
    _refuse_frozen(model)
    _refuse_bare_fields(model, keys=())


def check_read_model(model: type[ReadModel]) -> None:
    """Refuse a read model that cannot be kept in a table.

    Raises:
        DeclarationError: no key, a key that is no field, a field without a default, a wrong `evolve` or `keys`,
            or an event that lacks the key where there is no `keys`.
    """
    fold = fold_of(model)
    fields = model.__struct_fields__
    if not model.model_key:
        raise DeclarationError(
            what=f"read model {model.__name__} does not say which field is its key",
            where=where_is(model),
            mend=f'declare it with the key: `class {model.__name__}(ReadModel, key="…")`',
        )
    for name in model.model_key:
        if name not in fields:
            raise DeclarationError(
                what=f"the key {name!r} of read model {model.__name__} is no field of it (fields: {', '.join(fields)})",
                where=where_is(model),
                mend="name a field as the key, or add that field",
            )
    for name, number, most in (("segments", model.model_segments, 1024), ("max_parked", model.model_max_parked, None)):
        if not isinstance(number, int) or number < 1 or (most is not None and number > most):
            raise DeclarationError(
                what=f"read model {model.__name__} has {name}={number!r}",
                where=where_is(model),
                mend=f"give a whole number from 1{'' if most is None else f' to {most:,}'}, or leave it out",
            )
    if not isinstance(model.model_store, str) or not re.fullmatch(r"([A-Za-z][A-Za-z0-9_-]*)?", model.model_store):
        raise DeclarationError(
            what=f"read model {model.__name__} has store={model.model_store!r}",
            where=where_is(model),
            mend='give a name for the place, not its URL: `store="analytics"`; `app.open(…, views=…)` says where it is',
        )
    _refuse_frozen(model)
    if project_of(model) is not None:
        return
    if model.model_tables:
        raise DeclarationError(
            what=f"{model.__name__} declares further tables, and has no project that works with them",
            where=where_is(model),
            mend="leave out `tables=`, or define `project` in place of `evolve`",
        )
    _refuse_bare_fields(model, keys=model.model_key)
    keys = _keys_function(model)
    if keys is not None:
        taken = _fold_of_function(keys, f"{model.__name__}.keys", skip=0, may_take_all=True)
        missing = set() if taken.takes_all else set(fold.events) - set(taken.events)
        if missing:
            raise DeclarationError(
                what=f"{model.__name__}.keys does not take {', '.join(sorted(e.__name__ for e in missing))}, "
                "which evolve takes",
                where=where_is(keys),
                mend="let both take the same events",
            )
        return
    if fold.takes_all:
        raise DeclarationError(
            what=f"{model.__name__} takes every event, and not every event tells which row it belongs to",
            where=where_is(model),
            mend=f"define a static method `keys(event: Event)` on {model.__name__}; it may return no key",
        )
    for event in fold.events:
        lacking = [name for name in model.model_key if name not in event.__struct_fields__]
        if lacking:
            raise DeclarationError(
                what=f"{event.__name__} has no field {lacking[0]!r}, so it cannot tell which row of "
                f"{model.__name__} it belongs to",
                where=where_is(model),
                mend=f"add the field to {event.__name__}, or define a static method `keys(event)` on {model.__name__}",
            )


def _keys_function(model: type[ReadModel]) -> Callable[..., Iterable[Any]] | None:
    """Return a read model's `keys`, if it has such a method; a field of that name is a field."""
    keys: Callable[..., Iterable[Any]] | None = getattr(model, "keys", None)
    if not callable(keys):
        return None
    if inspect.isfunction(inspect.getattr_static(model, "keys")):
        raise DeclarationError(
            what=f"{model.__name__}.keys is an ordinary method, but it is asked before there is a row",
            where=where_is(keys),
            mend="make it a @staticmethod: `def keys(event: SomethingHappened) -> Iterable[…]:`",
        )
    return keys


def _refuse_frozen(model: type[msgspec.Struct]) -> None:
    if model.__struct_config__.frozen:
        raise DeclarationError(
            what=f"{model.__name__} is frozen, so evolve cannot change it",
            where=where_is(model),
            mend="leave out `frozen=True`",
        )


def _refuse_bare_fields(model: type[msgspec.Struct], *, keys: tuple[str, ...]) -> None:
    for field in fields_of(model):
        if field.required and field.name not in keys:
            raise DeclarationError(
                what=f"{model.__name__}.{field.name} has no default, so there is no state before the first event",
                where=where_is(model),
                mend=f"give it one: `{field.name}: … = …`",
            )


def row_keys(model: type[ReadModel]) -> Callable[[Any, Metadata | None], Sequence[tuple[Any, ...]]]:
    """Return the function that tells which rows of a read model an event touches, as tuples of key values."""
    keys = _keys_function(model)
    names = model.model_key
    if keys is None and project_of(model) is not None:
        return lambda event, meta: [tuple(getattr(event, name) for name in names)] if _has_all(event, names) else []
    if keys is None:
        if len(names) == 1:
            only = names[0]
            return lambda event, meta: ((getattr(event, only),),)
        return lambda event, meta: (tuple(getattr(event, name) for name in names),)
    of_event = keys
    takes_metadata = _fold_of_function(keys, f"{model.__name__}.keys", skip=0, may_take_all=True).takes_metadata

    def found(event: Any, meta: Metadata | None) -> Sequence[tuple[Any, ...]]:
        keys = of_event(event, meta) if takes_metadata else of_event(event)
        return [key if isinstance(key, tuple) else (key,) for key in keys]

    return found


def _has_all(event: Any, names: tuple[str, ...]) -> bool:
    return all(name in event.__struct_fields__ for name in names)


def wants_metadata(model: type[ReadModel]) -> bool:
    """Tell whether a read model's `evolve` or `keys` takes the metadata."""
    keys = _keys_function(model)
    return fold_of(model).takes_metadata or (
        keys is not None and _fold_of_function(keys, f"{model.__name__}.keys", skip=0, may_take_all=True).takes_metadata
    )
