"""Messages as JSON and back, and what no message may hold.

Whatever enters, by any door, is encoded and decoded again by its own type; only what comes back equal is taken.
That refuses values of a wrong type, NaN and infinity (JSON has none), and anything that would not survive storage.
Refused besides, because databases and other languages lose them silently: the character U+0000, lone surrogates,
and integers beyond 64 bits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import msgspec

from twofold.errors import DeclarationError, InvalidMessage
from twofold.message import fields_of
from twofold.place import where_is

M = TypeVar("M", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
_many_digits = re.compile(rb"[0-9]{19}")
_path = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_named = re.compile(r"(?:missing required|contains unknown) field `(?P<field>[^`]+)`")
_surrogate = re.compile(r"[\ud800-\udfff]")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_LONGEST_PATH = 200
_NOT_FINITE = "expected a finite number, found NaN or infinity"
_REFUSALS = (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, ArithmeticError, RecursionError)


def name_of(message: type[msgspec.Struct]) -> str:
    """Return the name by which a message class is known outside."""
    return str(getattr(message, "message_name", message.__name__))


@cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def check_fields(kind: type[msgspec.Struct]) -> None:
    """Refuse a class of which a field cannot be told in JSON.

    Raises:
        DeclarationError: the type of a field has no JSON form, or a union in it cannot be told apart.
    """
    for field in fields_of(kind):
        try:
            msgspec.json.schema(field.type)
        except TypeError as error:
            raise DeclarationError(
                what=f"{kind.__name__}.{field.name} is of a type that JSON cannot tell: {str(error).splitlines()[-1]}",
                where=where_is(kind),
                mend="use types of https://jcristharif.com/msgspec/supported-types.html, and unions that can be told "
                "apart in JSON",
            ) from error


@cache
def _may_hold_integers(kind: type[msgspec.Struct]) -> bool:
    schema = msgspec.json.encode(msgspec.json.schema(kind))
    return any(sign in schema for sign in (b'"integer"', b'"number"', b"{}", b"true"))


def checked(message: msgspec.Struct) -> bytes:
    """Return the JSON of a message that is known to come back as it is.

    Raises:
        InvalidMessage: a field is of the wrong type, violates a constraint, or holds what no message may hold.
    """
    kind = type(message)
    try:
        payload = _encoder.encode(message)
    except (UnicodeError, TypeError, ValueError, RecursionError) as error:
        raise _not_encoded(message, error) from error
    try:
        is_equal = _decoder(kind).decode(payload) == message
    except ArithmeticError:
        is_equal = False
    except _REFUSALS as error:
        raise _invalid(kind, error) from error
    if not is_equal:
        raise _unequal(message, payload)
    if b"\\u0000" in payload or (_may_hold_integers(kind) and _many_digits.search(payload) is not None):
        _refuse_leaves(kind, msgspec.json.decode(payload))
    if b'Infinity"' in payload:
        _refuse_leaves(kind, msgspec.to_builtins(message, builtin_types=(Decimal,)))
    return payload


def decode(kind: type[M], payload: bytes | str) -> M:
    """Return the message that a JSON text from outside holds.

    Raises:
        InvalidMessage: it is not JSON, not of this type, nested too deeply, or holds what no message may hold.
    """
    try:
        message: M = _decoder(kind).decode(payload)
    except _REFUSALS as error:
        raise _not_decoded(kind, payload, error) from error
    checked(message)
    return message


def reader_of(kind: type[M]) -> Callable[[bytes], M]:
    """Return what reads messages back that were checked before they were stored; no second check of their contents."""
    return _decoder(kind).decode


def read_back(kind: type[M], payload: bytes) -> M:
    """Return a message that was checked before it was stored."""
    return reader_of(kind)(payload)


def convert(kind: type[M], fields: dict[str, Any], *, from_text: bool = False) -> M:
    """Return a message made from field values; with `from_text`, numbers and booleans may be given as text.

    Raises:
        InvalidMessage: as for `decode`.
    """
    try:
        message = msgspec.convert(fields, kind, strict=not from_text)
    except _REFUSALS as error:
        raise _invalid(kind, error) from error
    checked(message)
    return message


def _refuse_leaves(kind: type[msgspec.Struct], content: Any) -> None:
    for path, value in _leaves(content):
        problem = problem_of(value)
        if problem:
            raise InvalidMessage(message=name_of(kind), field=path, problem=f"{path}: {problem}")


def problem_of(value: Any) -> str:
    """Return what is wrong with a value that no message may hold, because no database can; empty for all others."""
    match value:
        case str() if "\x00" in value:
            return "the character U+0000 is not allowed"
        case str() if not value.isascii() and _surrogate.search(value):
            return "half of a surrogate pair (U+D800 to U+DFFF) is no character"
        case int() if not _SMALLEST <= value <= _LARGEST:
            return f"expected an integer of 64 bits, from {_SMALLEST} to {_LARGEST}"
        case float() if not math.isfinite(value):
            return _NOT_FINITE
        case Decimal() if not value.is_finite():
            return _NOT_FINITE
    return ""


def _leaves(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value that holds no others, and every key, with its path; as deep as it may be."""
    waiting = [("", content)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            inside = [(f"{path}.{_shown(key)}".lstrip("."), key, part) for key, part in value.items()]
            yield from ((place, key) for place, key, _ in inside)
            waiting.extend((place, part) for place, _, part in reversed(inside))
        elif isinstance(value, list):
            waiting.extend((f"{path}[{index}]", value[index]) for index in reversed(range(len(value))))
        else:
            yield path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…", value


def _shown(key: Any) -> str:
    # What cannot be printed would break the log or the answer that names the field.
    return key if isinstance(key, str) and key.isprintable() else ascii(key)


def _not_encoded(message: msgspec.Struct, error: Exception) -> InvalidMessage:
    """Return the error that names the field which could not be encoded."""
    kind = type(message)
    for name in message.__struct_fields__:
        try:
            _encoder.encode(getattr(message, name))
        except (UnicodeError, TypeError, ValueError, RecursionError) as inside:
            found = _found_in(kind, lambda: {name: msgspec.to_builtins(getattr(message, name))})  # noqa: B023
            return found or _invalid(kind, inside, name)
    return _invalid(kind, error)


def _not_decoded(kind: type[msgspec.Struct], payload: bytes | str, error: Exception) -> InvalidMessage:
    # A stricter parser stops where a more lenient one tells which field it is.
    told = isinstance(error, msgspec.ValidationError)
    return (None if told else _found_in(kind, lambda: json.loads(payload))) or _invalid(kind, error)


def _unequal(message: msgspec.Struct, payload: bytes) -> InvalidMessage:
    """Return the error that names the field which does not come back as it was."""
    kind = type(message)
    found = _found_in(kind, lambda: msgspec.to_builtins(message, builtin_types=(Decimal,)))
    if found is not None:
        return found
    again = read_back(kind, payload)
    field = next((name for name in message.__struct_fields__ if getattr(message, name) != getattr(again, name)), "")
    value, back = getattr(message, field, None), getattr(again, field, None)
    problem = "a value that JSON cannot hold"
    if type(value) is not type(back):
        problem = f"expected {type(back).__name__}, found {type(value).__name__}"
    return InvalidMessage(message=name_of(kind), field=field, problem=f"{field}: {problem}")


def _found_in(kind: type[msgspec.Struct], content: Callable[[], Any]) -> InvalidMessage | None:
    try:
        _refuse_leaves(kind, content())
    except InvalidMessage as error:
        return error
    except (TypeError, ValueError, RecursionError):
        return None
    return None


def _invalid(kind: type[msgspec.Struct], error: BaseException, field: str = "") -> InvalidMessage:
    text = str(error)
    if isinstance(error, UnicodeError):
        text = "the text is not valid Unicode (a lone surrogate, or bytes that are not UTF-8)"
    elif isinstance(error, RecursionError):
        text = "the JSON is nested too deeply"
    match = _path.match(text)
    problem, path = (match["problem"], match["path"] or field) if match else (text, field)
    named = _named.search(problem)
    if named:
        path = ".".join(part for part in (path, named["field"]) if part)
    problem = f"{path}: {problem}" if path and not named else problem
    return InvalidMessage(message=name_of(kind), field=path, problem=problem)
