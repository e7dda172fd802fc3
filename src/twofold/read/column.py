"""Columns of a read model: of what kind they are, and how their values are stored and come back.

The engine decides the column types of its database; here a column has a `kind`, which tells what its values are made
of, and values are turned into what every database can hold: None, bool, int, float, str, bytes.
"""

from __future__ import annotations

import contextlib
import math
import re
import types
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin
from uuid import UUID

import msgspec

from twofold.errors import DeclarationError
from twofold.model import ReadModel
from twofold.place import where_is

Scalar: TypeAlias = bool | int | float | str | bytes | None
Kind: TypeAlias = Literal["text", "integer", "real", "boolean", "bytes", "uuid", "time", "decimal", "json"]

# What the strictest database can do: names in PostgreSQL end after 63 bytes, and some are taken; a numeric has so many
# digits before and after its point. Elsewhere more would do, but then an application would have to be changed when it
# moves.
_LONGEST_COLUMN = 55
_DIGITS_BEFORE, _DIGITS_AFTER = 131_072, 16_383
_TAKEN = frozenset(("tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"))
_NULL_CHARACTER = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_encode_json = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode


class Column(msgspec.Struct, frozen=True):
    """One field of a read model in the database.

    `to_row` makes its value storable, and raises where it is not of its type; `from_row` restores it, and is None
    where the stored value is the same.
    """

    name: str
    kind: Kind
    type: Any
    optional: bool
    to_row: Callable[[Any], Scalar]
    from_row: Callable[[Any], Any] | None

    @property
    def bare(self) -> Any:
        """The type without None, constraints and tags."""
        return _bare(self.type)[0]

    @property
    def plain(self) -> Any:
        """The class of which every instance fits, where there is one: none where constraints narrow it."""
        return self.bare if isinstance(self.bare, type) and not _is_narrowed(self.type) else None


def column_of(model: type[ReadModel], field: msgspec.structs.FieldInfo) -> Column:
    """Return the column of a field.

    Raises:
        DeclarationError: its name cannot be a column's.
    """
    bare, optional = _bare(field.type)
    kind, to_row, from_row = _conversion(bare)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", field.name):
        raise DeclarationError(
            what=f"{model.__name__}.{field.name} cannot name a column",
            where=where_is(model),
            mend="begin the field's name with a letter; only letters, digits and _ may follow",
        )
    if len(field.name) > _LONGEST_COLUMN or field.name in _TAKEN:
        problem = "is a name that PostgreSQL keeps for itself" if field.name in _TAKEN else "is too long for a column"
        raise DeclarationError(
            what=f"{model.__name__}.{field.name} {problem}",
            where=where_is(model),
            mend=f"give the field another name, of at most {_LONGEST_COLUMN} characters",
        )
    if kind == "decimal" and field.name in model.model_key:
        # Equal numbers are one key, as they are in the application.
        to_row = _as_text(Decimal, lambda value: unpadded(_decimal_text(value)))
    return Column(field.name, kind, field.type, optional, to_row, from_row)


def _bare(annotation: Any) -> tuple[Any, bool]:
    optional = False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType) and type(None) in get_args(annotation):
            optional, parts = True, _without_none(annotation)
            if len(parts) > 1:
                return annotation, optional
            annotation = parts[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation, optional


def _is_narrowed(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        if any(isinstance(extra, msgspec.Meta) for extra in extras):
            return True
    supertype = getattr(annotation, "__supertype__", None)
    parts = [supertype] if supertype is not None else get_args(annotation)
    return any(_is_narrowed(part) for part in parts)


def _without_none(annotation: Any) -> list[Any]:
    return [part for part in get_args(annotation) if part is not type(None)]


def _conversion(bare: Any) -> tuple[Kind, Callable[[Any], Scalar], Callable[[Any], Any] | None]:
    if get_origin(bare) is Literal:
        return ("text", _text, None) if all(isinstance(v, str) for v in get_args(bare)) else _json(bare)
    if not isinstance(bare, type):
        return _json(bare)
    if issubclass(bare, Enum):
        if all(isinstance(member.value, int) for member in bare):
            return "integer", lambda member: bare(member).value, bare
        return "text", lambda member: bare(member).value, bare
    simple: dict[type, tuple[Kind, Callable[[Any], Scalar], Callable[[Any], Any] | None]] = {
        str: ("text", _text, None),
        bool: ("boolean", _boolean, bool),
        int: ("integer", _integer, None),
        float: ("real", _real, None),
        bytes: ("bytes", _bytes, None),
        UUID: ("uuid", _as_text(UUID, msgspec.to_builtins), _uuid),
        datetime: ("time", _as_text(datetime, _time_text), datetime.fromisoformat),
        date: ("text", _day_text, date.fromisoformat),
        time: ("text", _as_text(time, time.isoformat), time.fromisoformat),
        Decimal: ("decimal", _as_text(Decimal, _decimal_text), Decimal),
    }
    return simple.get(bare) or _json(bare)


def _json(bare: Any) -> tuple[Kind, Callable[[Any], Scalar], Callable[[Any], Any]]:
    decode = msgspec.json.Decoder(bare).decode
    encode = _encoder_of(bare)

    def to_row(value: Any) -> str:
        settled = decode(_encode_json(value))
        if settled != value:
            raise ValueError("the value would not come back from JSON as it is")
        # Encoded as it comes back, so that equal values are one text: 3 in a list of floats is 3.0.
        encoded = encode(settled)
        if b"u0000" in encoded and _NULL_CHARACTER.search(encoded):
            raise ValueError("the character U+0000 is not allowed")
        return encoded.decode()

    return "json", to_row, decode


def _encoder_of(bare: Any) -> Callable[[Any], bytes]:
    """Return what encodes a type so that equal values are one text; a set's own order is another in every process."""
    if bare in (set, frozenset) or get_origin(bare) in (set, frozenset):
        return lambda value: b"[%s]" % b",".join(sorted(map(_encode_json, value)))
    if not _holds_sets(bare):
        return _encode_json

    def encode(value: Any) -> bytes:
        try:
            return _encode_sorted(value)
        except TypeError:
            # Some values have no order: those of an Enum, say.
            return _encode_json(value)

    return encode


def _holds_sets(bare: Any) -> bool:
    seen: set[int] = set()
    left: list[Any] = [msgspec.inspect.type_info(bare)]
    while left:
        part = left.pop()
        if isinstance(part, msgspec.inspect.SetType | msgspec.inspect.FrozenSetType):
            return True
        if isinstance(part, tuple):
            left.extend(part)
        elif isinstance(part, msgspec.Struct) and id(part) not in seen:
            seen.add(id(part))
            left.extend(msgspec.structs.astuple(part))
    return False


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected str, found {type(value).__name__}")
    if not value.isascii():
        value.encode()
    if "\0" in value:
        raise ValueError("the character U+0000 is not allowed")
    return value


def _boolean(value: Any) -> int:
    if not isinstance(value, bool):
        raise TypeError(f"expected bool, found {type(value).__name__}")
    return int(value)


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected int, found {type(value).__name__}")
    if not -(2**63) <= value < 2**63:
        raise ValueError("expected an integer of 64 bits")
    return value


def _real(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"expected a finite float, found {value if isinstance(value, float) else type(value).__name__}")
    return float(value)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, found {type(value).__name__}")
    return value


def _as_text(kind: type, convert: Callable[[Any], str]) -> Callable[[Any], str]:
    def to_row(value: Any) -> str:
        if not isinstance(value, kind):
            raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
        return convert(value)

    return to_row


def _uuid(text: str) -> UUID:
    # In a fourth of the time that the class itself takes: a page has one for each row.
    try:
        return msgspec.convert(text, UUID)
    except msgspec.ValidationError as error:
        raise ValueError("expected a UUID") from error


def _decimal_text(value: Decimal) -> str:
    """Return the digits without an exponent, and zero without a sign: as databases give numbers back."""
    if not value.is_finite():
        raise ValueError("expected a finite number")
    exponent = value.as_tuple().exponent
    if (value and value.adjusted() >= _DIGITS_BEFORE) or -int(exponent) > _DIGITS_AFTER:
        raise ValueError(f"expected at most {_DIGITS_BEFORE:,} digits before the point and {_DIGITS_AFTER:,} after it")
    return format(value if value else value.copy_abs(), "f")


def unpadded(number: str) -> str:
    """Return the text of a decimal number without zeros at its end, so that equal numbers are one text."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def settled_form(column: Column) -> Callable[[Any], Any] | None:
    """Return what gives a value of a column the form in which it comes back; None where it comes back as it is."""
    match column.kind:
        case "time":
            return _in_utc
        case "real":
            return _as_real
        case "decimal":
            return lambda value: _as_decimal(value, column.to_row)
        case _:
            return None


def _as_decimal(value: Any, to_row: Callable[[Any], Scalar]) -> Any:
    if not isinstance(value, Decimal):
        return value
    try:
        text = str(to_row(value))
    except ValueError:
        # The row is refused for it.
        return value
    return value if text == str(value) else Decimal(text)


def _day_text(value: Any) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError(f"expected date, found {type(value).__name__}")
    return value.isoformat()


def _in_utc(value: Any) -> Any:
    is_elsewhere = isinstance(value, datetime) and value.tzinfo is not None and value.tzinfo is not UTC
    return value.astimezone(UTC) if is_elsewhere else value


def _as_real(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _time_text(value: datetime) -> str:
    # One width and one zone, so that text sorts as time does.
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "+00:00"


def all_from_row(from_row: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what restores the values of many rows, as `from_row` does it for one."""

    def from_column(values: Sequence[Any]) -> Sequence[Any]:
        if from_row is _uuid:
            with contextlib.suppress(msgspec.ValidationError):
                return msgspec.convert(values, list[UUID])
        return [None if value is None else from_row(value) for value in values]

    return from_column


def all_to_row(column: Column, to_row: Callable[[Any], Scalar]) -> Callable[[list[Any]], Sequence[Scalar]]:
    """Return what makes the values of many rows storable, as `to_row` does it for one, which it calls where it has to.

    Of the commonest types, looking at all values together takes a fraction of the time.
    """
    bare = column.bare
    look = _TOGETHER.get(bare) if isinstance(bare, type) else None

    def to_column(values: list[Any]) -> Sequence[Scalar]:
        if look is not None and set(map(type, values)) == {bare}:
            found = look(values)
            if found is not None:
                return found
        return list(map(to_row, values))

    return to_column


def _texts(values: list[Any]) -> Sequence[Scalar] | None:
    text = "".join(values)
    return values if text.isascii() and "\0" not in text else None


def _integers(values: list[Any]) -> Sequence[Scalar] | None:
    return values if min(values) >= -(2**63) and max(values) < 2**63 else None


_TOGETHER: dict[Any, Callable[[list[Any]], Sequence[Scalar] | None]] = {
    str: _texts, int: _integers, UUID: msgspec.to_builtins
}  # fmt: skip


def plain(value: Any) -> Any:
    """Return a value that is bound to a parameter of SQL text as the database holds such values."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, list | tuple):
        return _encode_json([plain(each) for each in value]).decode()
    _kind, to_row, _ = _conversion(type(value))
    return to_row(value)
