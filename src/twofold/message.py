"""Commands, events, queries, and the tags that events carry into the history.

A message is a frozen `msgspec.Struct`: positional or keyword arguments, compared by value, no unknown fields.
Its name is its class's name unless the class says otherwise, so modules may be moved freely:

    class ProfileUpdated(Event, name="profile-updated", version=2): ...
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin
from uuid import UUID

import msgspec

from twofold.errors import DeclarationError, InvalidMessage
from twofold.place import where_is

_KIND = re.compile(r"[a-z][a-z0-9_-]*\Z")
_LONGEST_TAG = 512
_VALUES: tuple[type, ...] = (UUID, str, int, date, Enum)


class Tag:
    """Marks a field whose value labels the event: `UserId = Annotated[UUID, Tag("user")]`.

    The event is then found by `user:0191…`; on a command the same field tells which write models to load.

    Args:
        kind: a short lower-case word.

    Raises:
        DeclarationError: `kind` is not made of lower-case letters, digits, `_` and `-`.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        if not isinstance(kind, str) or not _KIND.match(kind):
            raise DeclarationError(
                what=f"{kind!r} is no tag kind",
                where="Tag(...)",
                mend='use a short lower-case word, as in Tag("user")',
            )
        self.kind = kind

    def __repr__(self) -> str:
        return f"Tag({self.kind!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and other.kind == self.kind

    def __hash__(self) -> int:
        return hash((Tag, self.kind))


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class MessageType(msgspec.StructMeta):
    """The metaclass of messages: takes `name=` and `version=`, freezes, forbids unknown fields."""

    def __new__(
        mcls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        name: str | None = None,
        version: int = 1,
        **options: Any,
    ) -> MessageType:
        """Make the class; `name` is what the history and the edges call it, `version` its schema's version."""
        options.setdefault("frozen", True)
        options.setdefault("forbid_unknown_fields", True)
        made = super().__new__(mcls, class_name, bases, namespace, **options)
        made.message_name = name or class_name
        made.message_version = version
        return made

    message_name: str
    message_version: int


# For type checkers, each base says again what the metaclass says: mypy would take the word of msgspec.Struct, a base
# class too, that messages may be changed.
@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Command(msgspec.Struct, metaclass=MessageType):
    """The intention to change something. It is accepted or rejected, and returns nothing else."""

    message_kind: ClassVar[str] = "command"


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, metaclass=MessageType):
    """A fact that happened; never changed, never deleted."""

    message_kind: ClassVar[str] = "event"


Answer = TypeVar("Answer", covariant=True)


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Query(msgspec.Struct, Generic[Answer], metaclass=MessageType):
    """A question to the read models; `Answer` is the type of what it is answered with: `Query[Profile | None]`."""

    message_kind: ClassVar[str] = "query"


class Metadata(msgspec.Struct, frozen=True):
    """What the history knows of an event besides its fields. `time` is UTC, by the database's clock."""

    position: int
    event_id: UUID
    time: datetime
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID
    principal: str
    tenant: str


class TaggedField(msgspec.Struct, frozen=True):
    """A field that carries a tag; `many` where the field is a list, tuple or set of values."""

    field: str
    kind: str
    many: bool = False


@lru_cache(maxsize=16_384, typed=True)
def tag_text(kind: str, value: object) -> str:
    """Return `kind:value`, the form in which tags are stored and looked up.

    Raises:
        InvalidMessage: the value is empty, longer than 512 characters, or of a type that has no stable text.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime) or not isinstance(value, _VALUES):
        raise InvalidMessage(
            message=f"tag {kind}",
            field="",
            problem=f"expected a UUID, str, int, date or Enum of these, found {type(value).__name__}",
        )
    text = value if isinstance(value, str) else str(value)
    if not text or len(text) > _LONGEST_TAG:
        raise InvalidMessage(
            message=f"tag {kind}",
            field="",
            problem=f"expected 1 to {_LONGEST_TAG} characters, found {len(text)}",
        )
    return f"{kind}:{text}"


def fields_of(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a message or a model, their annotations resolved.

    Raises:
        DeclarationError: a name in an annotation is not known.
    """
    try:
        return msgspec.structs.fields(struct)
    except NameError as error:
        raise DeclarationError(
            what=f"an annotation of {struct.__qualname__} cannot be resolved: {error}",
            where=where_is(struct),
            mend="define the name at the top of the module, before it is used",
        ) from error


def tag_in(message: msgspec.Struct, field: TaggedField, value: object) -> str:
    """Return the tag that a value of a message's field gives.

    Raises:
        InvalidMessage: as for `tag_text`, naming the message and the field.
    """
    try:
        return tag_text(field.kind, value)
    except InvalidMessage as error:
        name = str(getattr(type(message), "message_name", type(message).__name__))
        raise InvalidMessage(message=name, field=field.field, problem=f"{field.field}: {error.problem}") from None


@cache
def tagged_fields(message: type[msgspec.Struct]) -> tuple[TaggedField, ...]:
    """Return the fields of a message class that carry tags, in the order of their declaration.

    Raises:
        DeclarationError: an annotation cannot be resolved, or its type cannot be a tag's value.
    """
    return tuple(
        TaggedField(field.name, tag.kind, many)
        for field in fields_of(message)
        for tag, many, of in _tags_in(field.type)
        if _fits(message, field.name, of)
    )


def _tags_in(annotation: Any, many: bool = False) -> Iterable[tuple[Tag, bool, Any]]:
    origin = get_origin(annotation)
    if origin is Annotated:
        of, *marks = get_args(annotation)
        many = many or get_origin(of) in (list, tuple, set, frozenset)
        yield from ((mark, many, of) for mark in marks if isinstance(mark, Tag))
        yield from _tags_in(of, many)
    elif origin in (list, tuple, set, frozenset):
        for part in get_args(annotation):
            yield from _tags_in(part, True)
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _tags_in(part, many)


def _fits(message: type, field: str, of: Any) -> bool:
    for part in _values_in(of):
        if not isinstance(part, type) or not issubclass(part, _VALUES) or issubclass(part, datetime):
            raise DeclarationError(
                what=f"{message.__name__}.{field} carries a tag but is of type {getattr(part, '__name__', part)}",
                where=where_is(message),
                mend="tag a field of type UUID, str, int, date or Enum",
            )
    return True


def _values_in(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _values_in(get_args(annotation)[0])
    elif origin in (list, tuple, set, frozenset, Union, types.UnionType):
        for part in get_args(annotation):
            if part not in (type(None), ...):
                yield from _values_in(part)
    elif origin is Literal:
        yield from {type(value) for value in get_args(annotation)}
    elif hasattr(annotation, "__supertype__"):
        yield from _values_in(annotation.__supertype__)
    else:
        yield origin or annotation


@cache
def _tagger(message: type[msgspec.Struct]) -> Callable[[Any], tuple[str, ...]]:
    fields = tagged_fields(message)
    if len(fields) == 1 and not fields[0].many:
        only, name = fields[0], fields[0].field

        def one(value: Any) -> tuple[str, ...]:
            found = getattr(value, name)
            return () if found is None else (tag_in(value, only, found),)

        return one

    def several(value: Any) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for field in fields:
            content = getattr(value, field.field)
            if content is not None:
                for part in content if field.many else (content,):
                    found[tag_in(value, field, part)] = None
        return tuple(found)

    return several


def tags_of(message: msgspec.Struct) -> tuple[str, ...]:
    """Return the tags that a message's own fields give it, each once. A field that is None gives none."""
    return _tagger(type(message))(message)
