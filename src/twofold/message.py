"""Commands, events, queries, and which of their fields carry tags into the history.

A message is a frozen `msgspec.Struct`: positional or keyword arguments, compared by value, no unknown fields.
Its name is its class's name unless the class says otherwise, so modules may be moved freely:

    class ProfileUpdated(Event, name="profile-updated", version=2): ...
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin
from uuid import UUID

import msgspec

from twofold.errors import DeclarationError, InvalidMessage
from twofold.place import where_is
from twofold.tag import TAG_VALUES, Hashed, Tag, tag_text

_CONTAINERS = (list, tuple, set, frozenset)


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
        # What is frozen and made of values alone cannot lead back to itself: the garbage collector need not look at it,
        # which is a tenth of what folding a long history takes.
        options.setdefault("gc", False)
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
Occurring = TypeVar("Occurring", bound="Event", covariant=True)


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


class Occurred(msgspec.Struct, Generic[Occurring], frozen=True):
    """An event together with what the history knows of it; what batch projections are given."""

    event: Occurring
    meta: Metadata


class TaggedField(msgspec.Struct, frozen=True):
    """A field that carries a tag.

    `many` tells that there may be several values: in a list, tuple or set. `is_hash` tells that they are hashes
    already. `path` names the fields on the way to them inside the structs that the field holds.
    """

    field: str
    tag: Tag
    many: bool = False
    is_hash: bool = False
    path: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The tag's kind."""
        return self.tag.kind

    @property
    def name(self) -> str:
        """The field's name, with the path inside it."""
        return ".".join((self.field, *self.path))

    def values(self, message: msgspec.Struct) -> list[Any]:
        """Return the values that a message holds there, in their order; what is None is none."""
        return list(_values_at(getattr(message, self.field), self.path))

    def text(self, value: object) -> str:
        """Return the tag that a value of the field gives.

        Raises:
            InvalidMessage: as for `Tag.text`, or it should be a hash and is none.
        """
        return self.texter(value)

    @property
    def texter(self) -> Callable[[object], str]:
        """What `text` does, as a function that is called more quickly."""
        if self.is_hash:
            return self.tag.text_of_hash
        return self.tag.text if self.tag.hashed else partial(tag_text, self.kind)


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
        InvalidMessage: as for `TaggedField.text`, naming the message and the field.
    """
    try:
        return field.text(value)
    except InvalidMessage as error:
        raise _named(message, field, error) from None


def tag_reader(field: TaggedField) -> Callable[[msgspec.Struct], str]:
    """Return a function that does what `tag_in` does, for a field that is a value itself."""
    name, text = field.field, field.texter

    def read(message: msgspec.Struct) -> str:
        try:
            return text(getattr(message, name))
        except InvalidMessage as error:
            raise _named(message, field, error) from None

    return read


def _named(message: msgspec.Struct, field: TaggedField, error: InvalidMessage) -> InvalidMessage:
    name = str(getattr(type(message), "message_name", type(message).__name__))
    return InvalidMessage(message=name, field=field.name, problem=f"{field.name}: {error.problem}")


def _values_at(content: Any, path: tuple[str, ...]) -> Iterable[Any]:
    if isinstance(content, list | tuple | set | frozenset):
        for part in content:
            yield from _values_at(part, path)
    elif path and content is not None:
        # One of several structs that the field may hold may lack it.
        yield from _values_at(getattr(content, path[0], None), path[1:])
    elif content is not None:
        yield content


@cache
def tagged_fields(message: type[msgspec.Struct]) -> tuple[TaggedField, ...]:
    """Return the fields of a message class that carry tags, in the order of their declaration.

    Raises:
        DeclarationError: an annotation cannot be resolved, or its type cannot be a tag's value.
    """
    return tuple(
        TaggedField(field.name, tag, many, _holds_hashes(message, field.name, tag, of), path)
        for field in fields_of(message)
        for tag, many, of, path in _tags_in(field.type)
    )


def _tags_in(
    annotation: Any, many: bool = False, path: tuple[str, ...] = (), within: tuple[type, ...] = ()
) -> Iterable[tuple[Tag, bool, Any, tuple[str, ...]]]:
    origin = get_origin(annotation)
    if origin is Annotated:
        of, *marks = get_args(annotation)
        many = many or get_origin(of) in _CONTAINERS
        yield from ((mark, many, of, path) for mark in marks if isinstance(mark, Tag))
        yield from _tags_in(of, many, path, within)
    elif origin in _CONTAINERS:
        for part in get_args(annotation):
            yield from _tags_in(part, True, path, within)
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _tags_in(part, many, path, within)
    elif isinstance(annotation, type) and issubclass(annotation, msgspec.Struct) and annotation not in within:
        for field in fields_of(annotation):
            yield from _tags_in(field.type, many, (*path, field.name), (*within, annotation))
    else:
        # A tag in a dict, say, would give none; the annotation is handed on, to be refused as no value of a tag.
        for part in get_args(annotation):
            yield from ((tag, many, annotation, path) for tag, *_ in _tags_in(part, many, path, within))


def _holds_hashes(message: type, field: str, tag: Tag, of: Any) -> bool:
    parts = set(_values_in(of))
    if Hashed in parts and (len(parts) > 1 or not tag.hashed):
        raise DeclarationError(
            what=f"{message.__name__}.{field} holds a hash, "
            f"{'or else a value' if tag.hashed else f'but tag {tag.kind!r} is not hashed'}",
            where=where_is(message),
            mend=f'annotate it with `Annotated[Hashed, Tag("{tag.kind}", hashed=True)]`',
        )
    for part in parts - {Hashed}:
        if not isinstance(part, type) or not issubclass(part, TAG_VALUES) or issubclass(part, datetime):
            raise DeclarationError(
                what=f"{message.__name__}.{field} carries a tag but is of type {getattr(part, '__name__', part)}",
                where=where_is(message),
                mend="tag a field of type UUID, str, int, date or Enum, or of a list of these",
            )
    return Hashed in parts


def _values_in(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _values_in(get_args(annotation)[0])
    elif origin in (*_CONTAINERS, Union, types.UnionType):
        for part in get_args(annotation):
            if part not in (type(None), ...):
                yield from _values_in(part)
    elif origin is Literal:
        yield from {type(value) for value in get_args(annotation)}
    elif annotation is Hashed:
        yield Hashed
    elif hasattr(annotation, "__supertype__"):
        yield from _values_in(annotation.__supertype__)
    else:
        yield origin or annotation


@cache
def _tagger(message: type[msgspec.Struct]) -> Callable[[Any], tuple[str, ...]]:
    fields = [(field, field.field, field.texter) for field in tagged_fields(message)]

    def plain(value: Any) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for field, name, text in fields:
            part = getattr(value, name)
            if part is not None:
                try:
                    found[text(part)] = None
                except InvalidMessage as error:
                    raise _named(value, field, error) from None
        return tuple(found)

    def nested(value: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tag_in(value, field, part) for field, *_ in fields for part in field.values(value)))

    return nested if any(field.many or field.path for field, *_ in fields) else plain


def tags_of(message: msgspec.Struct) -> tuple[str, ...]:
    """Return the tags that a message's own fields give it, each once. A field that is None gives none."""
    return _tagger(type(message))(message)
