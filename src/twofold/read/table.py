"""A read model as a table: its columns, how a row becomes an instance and back, and its fingerprint.

The engine decides the column types of its database; here a column has a `kind`, which tells what its values are made
of, and values are turned into what every database can hold: None, bool, int, float, str, bytes.
"""

from __future__ import annotations

import math
import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec

from twofold import wire
from twofold.errors import DeclarationError, InvalidFilter
from twofold.fingerprint import code_of, digest, schema_of
from twofold.model import ReadModel, check_read_model, fold_of
from twofold.place import where_is

M = TypeVar("M", bound=ReadModel)
Scalar: TypeAlias = bool | int | float | str | bytes | None
Row: TypeAlias = tuple[Scalar, ...]
Key: TypeAlias = tuple[Scalar, ...]
Kind: TypeAlias = Literal["text", "integer", "real", "boolean", "bytes", "uuid", "time", "decimal", "json"]

# What the strictest database can do: names in PostgreSQL end after 63 bytes, one of its indexes takes keys up to 2,704,
# and a numeric has so many digits before and after its point. Elsewhere more would do, but then an application would
# have to be changed when it moves.
_LONGEST_NAME = 63
_LONGEST_COLUMN = 55
_LONGEST_KEY = 2000
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


class Table(Generic[M]):
    """What an engine needs to know to keep a read model.

    Args:
        model: the read model's class.

    Raises:
        DeclarationError: the class cannot be kept in a table.
    """

    def __init__(self, model: type[M]) -> None:
        check_read_model(model)
        wire.check_fields(model)
        self.model = model
        self.name: str = model.model_name
        self.live_name = snake_case(model.model_name)
        self.columns = tuple(_column(model, field) for field in msgspec.structs.fields(model))
        self.key: tuple[str, ...] = model.model_key
        self.event_names = tuple(event.message_name for event in fold_of(model).events)
        self.fingerprint = fingerprint(model)
        self._by_name = {column.name: column for column in self.columns}
        self._to_row = [(column.name, column.optional, column.to_row) for column in self.columns]
        self._from_row = [(n, column.from_row) for n, column in enumerate(self.columns) if column.from_row]
        self._settled = [(column.name, form) for column in self.columns if (form := _settled_form(column))]
        _refuse_equal_names(model, [column.name for column in self.columns], "columns")
        _refuse_equal_names(model, self.key, "fields of the key")
        if len(self.versioned_name) > _LONGEST_NAME:
            raise DeclarationError(
                what=f"the table of {model.__name__} would be named {self.versioned_name}, which is longer than "
                f"{_LONGEST_NAME} characters",
                where=where_is(model),
                mend='give it a shorter name: `class …(ReadModel, key=…, name="…")`',
            )
        self._key_places = [list(self._by_name).index(name) for name in self.key]
        for name in self.key:
            if self._by_name[name].kind == "json":
                raise DeclarationError(
                    what=f"the key {name!r} of read model {model.__name__} is no scalar",
                    where=where_is(model),
                    mend="use a UUID, str, int, date or Enum as the key, or several such fields",
                )

    @property
    def versioned_name(self) -> str:
        """The name of the table for this definition; the live name is a view over one of these."""
        return f"{self.live_name}__{self.fingerprint}"

    def row(self, instance: M) -> Row:
        """Return an instance as values for the database, in the order of the columns.

        Raises:
            TypeError: a field holds what its type does not allow, or what would not come back.
        """
        values: list[Scalar] = []
        for name, optional, convert in self._to_row:
            value = getattr(instance, name)
            if value is None:
                if not optional:
                    raise TypeError(f"{name} must not be None")
                values.append(None)
            else:
                try:
                    values.append(convert(value))
                except (msgspec.MsgspecError, TypeError, ValueError, AttributeError) as error:
                    raise TypeError(f"{name}: {error}") from error
        return tuple(values)

    def instance(self, row: Sequence[Any]) -> M:
        """Return the instance that a row holds."""
        values = list(row)
        for place, convert in self._from_row:
            if values[place] is not None:
                values[place] = convert(values[place])
        return self.model(*values)

    def settle(self, instance: M) -> None:
        """Give fields the form in which they will come back from the database.

        Done after every event, so that a fold does not depend on where its batches end.
        """
        for name, settled in self._settled:
            setattr(instance, name, settled(getattr(instance, name)))

    def fresh(self, key: Sequence[Any]) -> M:
        """Return the instance before its first event."""
        return self.model(**dict(zip(self.key, key, strict=True)))

    def key_of(self, values: Sequence[Any]) -> Key:
        """Return key values as the database holds them.

        Raises:
            InvalidFilter: too many, too few, or of a wrong type.
        """
        if len(values) != len(self.key):
            raise InvalidFilter(
                model=self.name, problem=f"expected a key of {len(self.key)} values, found {len(values)}"
            )
        key = tuple(self.value(name, value) for name, value in zip(self.key, values, strict=True))
        if sum(len(str(value)) for value in key) > _LONGEST_KEY / 4 and sum(map(_bytes_of, key)) > _LONGEST_KEY:
            raise InvalidFilter(model=self.name, problem=f"expected a key of at most {_LONGEST_KEY:,} bytes")
        return key

    def key_in(self, row: Row) -> Key:
        """Return the key of a row."""
        return tuple(row[place] for place in self._key_places)

    def value(self, name: str, value: Any) -> Scalar:
        """Return a value for a column, as the database holds it.

        Raises:
            InvalidFilter: no such column, or a value that is not of its type.
        """
        column = self.column(name)
        if value is None:
            return None
        try:
            if msgspec.convert(value, column.type) != value:
                raise TypeError(f"found {type(value).__name__}")
            return column.to_row(value)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
            raise InvalidFilter(model=self.name, problem=f"{name}: {error}") from error

    def column(self, name: str) -> Column:
        """Return a column by its name.

        Raises:
            InvalidFilter: there is none.
        """
        if name not in self._by_name:
            raise InvalidFilter(
                model=self.name, problem=f"there is no field {name!r}; it has {', '.join(self._by_name)}"
            )
        return self._by_name[name]


def snake_case(name: str) -> str:
    """Return a class's name as a table's: `CaseFile` becomes `case_file`."""
    text = re.sub(r"[^0-9A-Za-z]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name))
    return text.strip("_").lower()


def fingerprint(model: type[ReadModel]) -> str:
    """Return what changes when a read model's rows might: its fields, its key, its version, and its code.

    Comments, docstrings and layout do not count. Code that its methods call in other places is not seen: change
    `version=` on the class when that code changes.
    """
    return digest(
        (
            str(model.model_version),
            ",".join(model.model_key),
            ",".join(sorted(event.message_name for event in fold_of(model).events)),
            schema_of(model),
            *code_of(model, but=(ReadModel,)),
        )
    )


def _column(model: type[ReadModel], field: msgspec.structs.FieldInfo) -> Column:
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


def _refuse_equal_names(model: type[ReadModel], names: Iterable[str], what: str) -> None:
    # Databases tell no case in the names of columns.
    counted = Counter(name.lower() for name in names)
    name, count = counted.most_common(1)[0]
    if count > 1:
        raise DeclarationError(
            what=f"two {what} of {model.__name__} are named {name!r}",
            where=where_is(model),
            mend="give one of them another name, or leave it out",
        )


def _bare(annotation: Any) -> tuple[Any, bool]:
    optional = False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType) and len(parts := _without_none(annotation)) == 1:
            annotation, optional = parts[0], True
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation, optional


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
        UUID: ("uuid", _as_text(UUID, str), UUID),
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


def _bytes_of(value: Scalar) -> int:
    return len(value if isinstance(value, bytes) else str(value).encode())


def _settled_form(column: Column) -> Callable[[Any], Any] | None:
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


def plain(value: Any) -> Any:
    """Return a value that is bound to a parameter of SQL text as the database holds such values."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, list | tuple):
        return _encode_json([plain(each) for each in value]).decode()
    _kind, to_row, _ = _conversion(type(value))
    return to_row(value)
