"""The headers that clients send and get: their names, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID, uuid5

import msgspec

from twofold.clock import new_uuid
from twofold.http.problem import Refused
from twofold.read.asking import Demand

Headers: TypeAlias = list[tuple[bytes, bytes]]

IDEMPOTENCY_KEY = "Idempotency-Key"
AFTER = "Twofold-After"
MAX_LAG = "Twofold-Max-Lag"
AS_OF = "Twofold-As-Of"
TIMEOUT = "Twofold-Timeout"
NEXT = "Twofold-Next"
POSITION = "Twofold-Position"
IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
ETAG = "ETag"
LAST_EVENT_ID = "Last-Event-ID"
PREFER = "Prefer"
APPLIED = "Preference-Applied"

LONGEST_KEY = 255
LONGEST_TIMEOUT = 30.0
LONGEST_LAG = 86_400.0
DEFAULT_TIMEOUT = 5.0
LARGEST_POSITION = 2**63 - 1

COMMAND_IDS = UUID("880315c1-ccbe-43e0-ae44-205641d2e4f5")
"""The namespace of command ids that are made from keys which are no UUIDs (UUIDv5). It never changes."""

_uuid = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_visible = re.compile(r"[!-~]{1,255}")
_preference = re.compile(r"preview(?:\s*;\s*as-of\s*=\s*(\"?)([0-9]{1,19})\1)?", re.IGNORECASE)
_digits = re.compile(r"[0-9]+")
_refusal = re.compile(r"q=0(?:\.0{0,3})?")
_event_id = re.compile(r"([0-9]{1,19})-([0-9a-f]{24})")
_number = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")


def text_of(headers: Headers, name: str) -> str | None:
    """Return the value of a header, None where it is not sent.

    Raises:
        Refused: it is sent more than once.
    """
    wanted = name.lower().encode()
    found = [value for key, value in headers if key == wanted]
    if len(found) > 1:
        raise wrong(name, "one value", f"{len(found)}")
    return found[0].decode("latin-1").strip() if found else None


def command_id(headers: Headers) -> tuple[UUID, bool]:
    """Return the id of a command, and whether the client chose it.

    A UUID as `Idempotency-Key` is the command id; any other key of 1 to 255 visible ASCII characters stands for the
    UUIDv5 of it in the namespace `COMMAND_IDS`. Quotes around the key are taken off, for the header's draft
    (draft-ietf-httpapi-idempotency-key-header) has it quoted.

    Raises:
        Refused: the key is empty, too long, or holds other characters.
    """
    key = text_of(headers, IDEMPOTENCY_KEY)
    if key is None:
        return new_uuid(), False
    bare = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if _uuid.fullmatch(bare):
        return UUID(bare), True
    if not _visible.fullmatch(bare):
        raise wrong(IDEMPOTENCY_KEY, f"1 to {LONGEST_KEY} visible ASCII characters", f"{len(bare)} characters")
    return uuid5(COMMAND_IDS, bare), True


def position(headers: Headers) -> int:
    """Return the position that an answer must rest on, 0 where none is asked for.

    Raises:
        Refused: it is no position.
    """
    text = text_of(headers, AFTER)
    return 0 if text is None else _position(AFTER, text)


def expected(headers: Headers) -> int | None:
    """Return the position since which a command's sender expects no change, None where none is named.

    It is written as an entity tag (RFC 9110, section 8.8.3), `"42"`; the quotes may be left out.

    Raises:
        Refused: it is no position.
    """
    text = text_of(headers, IF_MATCH)
    if text is None:
        return None
    return _position(IF_MATCH, text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text)


def preview(headers: Headers) -> tuple[bool, int | None]:
    """Return whether only a preview is wanted, and as of which position; other preferences (RFC 7240) are ignored.

    Raises:
        Refused: a preview is wanted in a way that is not understood; to send the command instead would be worse.
    """
    text = ",".join(value.decode("latin-1") for key, value in headers if key == b"prefer")
    for part in (each.strip() for each in text.split(",")):
        if part.lower().startswith("preview"):
            match = _preference.fullmatch(part)
            if match is None:
                raise wrong(PREFER, "`preview` or `preview; as-of=POSITION`", "another form")
            return True, int(match[2]) if match[2] else None
    return False, None


def demand(headers: Headers) -> Demand:
    """Return how fresh an answer must be.

    Raises:
        Refused: a header that says so cannot be used.
    """
    return Demand(position(headers), max_lag(headers), seconds(headers))


def as_of(headers: Headers) -> int | datetime | None:
    """Return the position or the time that an answer is asked for as of, None where it is the present.

    Raises:
        Refused: it is neither.
    """
    text = text_of(headers, AS_OF)
    if text is None:
        return None
    if _digits.fullmatch(text):
        return _position(AS_OF, text)
    try:
        # RFC 3339, with its zone.
        moment: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError as error:
        raise wrong(AS_OF, "a position, or a time with its zone (RFC 3339)", "something else") from error
    return moment


def seconds(headers: Headers) -> float:
    """Return for how long a query may wait for its read models.

    Raises:
        Refused: it is no number of seconds between 0 and 30.
    """
    found = deadline(headers)
    return DEFAULT_TIMEOUT if found is None else found


def deadline(headers: Headers) -> float | None:
    """Return within how many seconds a command must be decided, None where its sender sets no limit.

    Raises:
        Refused: it is no number of seconds between 0 and 30.
    """
    return _seconds(headers, TIMEOUT, LONGEST_TIMEOUT)


def max_lag(headers: Headers) -> float | None:
    """Return how many seconds an answer may lag behind, None where its sender does not say.

    Raises:
        Refused: it is no number of seconds between 0 and a day's.
    """
    return _seconds(headers, MAX_LAG, LONGEST_LAG)


def _seconds(headers: Headers, name: str, most: float) -> float | None:
    text = text_of(headers, name)
    if text is None:
        return None
    if not _number.fullmatch(text) or float(text) > most:
        raise wrong(name, f"a number of seconds from 0 to {most:.0f}", "something else")
    return float(text)


def _position(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST_POSITION):
        raise wrong(name, "a position, as a receipt or an answer gives it", "something else")
    return int(text)


def wants(headers: Headers, media: str) -> bool:
    """Tell whether the client names a media type among those that it accepts (RFC 9110, section 12.5.1)."""
    for name, value in headers:
        if name == b"accept":
            for part in value.decode("latin-1").split(","):
                kind, *parameters = (each.strip().lower() for each in part.split(";"))
                if kind == media and not any(_refusal.fullmatch(each) for each in parameters):
                    return True
    return False


def last_event(headers: Headers) -> tuple[int, str | None]:
    """Return what a client that comes back has seen last: a position, and the digest of an answer.

    An id that was not given out here is taken for none: then the client is only shown what it may have seen already.
    """
    match = _event_id.fullmatch(text_of(headers, LAST_EVENT_ID) or "")
    return (0, None) if match is None or int(match[1]) > LARGEST_POSITION else (int(match[1]), match[2])


def has(headers: Headers, tag: str) -> bool:
    """Tell whether the client has what an entity tag names (RFC 9110, section 13.1.2)."""
    for name, value in headers:
        if name == b"if-none-match":
            known = {each.strip().removeprefix("W/") for each in value.decode("latin-1").split(",")}
            if tag in known or "*" in known:
                return True
    return False


def media_type(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the media type of the body, in lower case and without parameters; empty where none is named."""
    for name, value in headers:
        if name == b"content-type":
            return value.decode("latin-1").partition(";")[0].strip().lower()
    return ""


def wrong(name: str, expected: str, found: str) -> Refused:
    """Return the refusal of a header whose value cannot be used."""
    return Refused("invalid_header", f"{name}: expected {expected}, found {found}", header=name)
