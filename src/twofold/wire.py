"""Messages as JSON and back, and what no message may hold.

Whatever enters, by any door, is encoded and decoded again by its own type; only what comes back equal is taken.
That refuses values of a wrong type, NaN and infinity (JSON has none), and anything that would not survive storage.
Refused besides, because databases and other languages lose them silently: the character U+0000, lone surrogates,
and integers beyond 64 bits.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar

import msgspec

from twofold.errors import DeclarationError, InvalidMessage

M = TypeVar("M", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
_many_digits = re.compile(rb"[0-9]{19}")
_path = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_named = re.compile(r"(?:missing required|contains unknown) field `(?P<field>[^`]+)`")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def name_of(message: type[msgspec.Struct]) -> str:
    """Return the name by which a message class is known outside."""
    return str(getattr(message, "message_name", message.__name__))


@cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _may_hold_integers(kind: type[msgspec.Struct]) -> bool:
    try:
        schema = msgspec.json.encode(msgspec.json.schema(kind))
    except TypeError as error:
        raise DeclarationError(
            what=f"{kind.__name__} has a field whose type has no JSON form: {error}",
            where=kind.__module__,
            mend="use types that msgspec supports without a hook: https://jcristharif.com/msgspec/supported-types.html",
        ) from error
    return any(sign in schema for sign in (b'"integer"', b'"number"', b"{}", b"true"))


def checked(message: msgspec.Struct) -> bytes:
    """Return the JSON of a message that is known to come back as it is.

    Raises:
        InvalidMessage: a field is of the wrong type, violates a constraint, or holds what no message may hold.
    """
    kind = type(message)
    try:
        payload = _encoder.encode(message)
        if _decoder(kind).decode(payload) != message:
            raise _unequal(message, payload)
    except (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, RecursionError) as error:
        raise _invalid(kind, error) from error
    _refuse_contents(kind, payload)
    return payload


def decode(kind: type[M], payload: bytes | str) -> M:
    """Return the message that a JSON text from outside holds.

    Raises:
        InvalidMessage: it is not JSON, not of this type, nested too deeply, or holds what no message may hold.
    """
    try:
        message: M = _decoder(kind).decode(payload)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
        raise _invalid(kind, error) from error
    checked(message)
    return message


def read_back(kind: type[M], payload: bytes) -> M:
    """Return a message that was checked before it was stored; no second check of its contents."""
    message: M = _decoder(kind).decode(payload)
    return message


def convert(kind: type[M], fields: dict[str, Any], *, from_text: bool = False) -> M:
    """Return a message made from field values; with `from_text`, numbers and booleans may be given as text.

    Raises:
        InvalidMessage: as for `decode`.
    """
    try:
        message = msgspec.convert(fields, kind, strict=not from_text)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
        raise _invalid(kind, error) from error
    checked(message)
    return message


def _refuse_contents(kind: type[msgspec.Struct], payload: bytes) -> None:
    suspicious = b"\\u0000" in payload or (_may_hold_integers(kind) and _many_digits.search(payload) is not None)
    if suspicious:
        for path, value in _leaves(msgspec.json.decode(payload), ""):
            if isinstance(value, str) and "\x00" in value:
                raise InvalidMessage(
                    message=name_of(kind), field=path, problem=f"{path}: the character U+0000 is not allowed"
                )
            if isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
                raise InvalidMessage(
                    message=name_of(kind),
                    field=path,
                    problem=f"{path}: expected an integer of 64 bits, found one of {value.bit_length()} bits",
                )


def _leaves(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"{path}.{key}".lstrip("."), key
            yield from _leaves(part, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _leaves(part, f"{path}[{index}]")
    else:
        yield path, value


def _unequal(message: msgspec.Struct, payload: bytes) -> InvalidMessage:
    again = read_back(type(message), payload)
    field = next(
        (name for name in message.__struct_fields__ if getattr(message, name) != getattr(again, name)),
        "",
    )
    value, back = getattr(message, field, None), getattr(again, field, None)
    found = "a value that JSON cannot hold"
    if type(value) is not type(back):
        found = f"expected {type(back).__name__}, found {type(value).__name__}"
        if isinstance(value, float):
            found = "expected a finite number, found NaN or infinity"
    return InvalidMessage(message=name_of(type(message)), field=field, problem=f"{field}: {found}")


def _invalid(kind: type[msgspec.Struct], error: BaseException) -> InvalidMessage:
    text = str(error)
    if isinstance(error, InvalidMessage):
        return error
    if isinstance(error, UnicodeError):
        text = "the text is not valid Unicode (a lone surrogate, or bytes that are not UTF-8)"
    elif isinstance(error, RecursionError):
        text = "the JSON is nested too deeply"
    match = _path.match(text)
    problem, path = (match["problem"], match["path"] or "") if match else (text, "")
    named = _named.search(problem)
    if named:
        path = ".".join(part for part in (path, named["field"]) if part)
    problem = f"{path}: {problem}" if path and not named else problem
    return InvalidMessage(message=name_of(kind), field=path, problem=problem)
