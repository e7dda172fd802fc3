"""What is given beside a message: looked at by the door, so that a mistake fails alone and says what is wrong.

Else it would fail in the append, with every command that waits beside it, or find nothing without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from twofold.context import Principal, Receipt
from twofold.errors import InvalidMessage, InvalidSetting
from twofold.message import Command

_LAST = 2**63 - 1


def check_particulars(
    command: Command,
    command_id: UUID | None,
    principal: Principal,
    correlation_id: UUID | None,
    causation_id: UUID | None,
    timeout: float | None = None,
) -> None:
    """Check what a sender says besides the command.

    Raises:
        InvalidMessage: one is of another type, or no time at all.
    """
    name = type(command).message_name
    if not isinstance(principal, Principal):
        refuse(name, "principal", 'a Principal, as in Principal("ada")', principal)
    if command_id is not None and not isinstance(command_id, UUID):
        refuse(name, "command_id", "a UUID; make one of text with uuid.UUID(…)", command_id)
    if correlation_id is not None and not isinstance(correlation_id, UUID):
        refuse(name, "correlation_id", "the UUID of what the command belongs to", correlation_id)
    if causation_id is not None and not isinstance(causation_id, UUID):
        refuse(name, "causation_id", "the UUID of a command or an event", causation_id)
    if timeout is not None and (not isinstance(timeout, int | float) or timeout != timeout):
        refuse(name, "timeout", "a number of seconds", timeout)


def position_in(of: str, name: str, given: Receipt | int | None) -> int | None:
    """Return the position that is given, or that of a receipt.

    Raises:
        InvalidMessage: it is none.
    """
    if given is None:
        return None
    if isinstance(given, Receipt):
        return given.position
    if type(given) is not int or not 0 <= given <= _LAST:
        refuse(of, name, "a receipt, or a position: 0, 1, 2 …", given)
    return given


def moment_in(of: str, name: str, given: Receipt | int | datetime) -> int | datetime:
    """Return the position that is given, or that of a receipt, or the time.

    Raises:
        InvalidMessage: it is none of these, or a time without its zone.
    """
    if isinstance(given, datetime):
        if given.tzinfo is None:
            refuse(of, name, "a time with its zone, as in datetime.now(UTC)", given)
        return given
    position = position_in(of, name, given)
    assert position is not None
    return position


def seconds_in(of: str, name: str, given: float | None) -> float | None:
    """Return a length of time.

    Raises:
        InvalidMessage: it is none.
    """
    if given is not None and (not isinstance(given, int | float) or not 0 <= given < float("inf")):
        refuse(of, name, "seconds, 0 or more", given)
    return given


def check_search(of: str, **given: Any) -> None:
    """Check what is looked for; each by its name, None where it is not asked for.

    Raises:
        InvalidMessage: one could find nothing, because nothing of that kind is stored.
    """
    for name, value in given.items():
        kind, expected = _SEARCHED[name]
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            refuse(of, name, expected, value)
        if isinstance(value, int) and not 0 <= value <= _LAST:
            refuse(of, name, "0 or more, in 64 bits", value)
        if isinstance(value, datetime) and value.tzinfo is None:
            refuse(of, name, "a time with its zone, as datetime.now(UTC) gives", value)


def texts_in(of: str, name: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return several texts, of which one alone must be given in a list as well.

    Raises:
        InvalidMessage: it is one text, whose letters would be looked for, or there is something else among them.
    """
    if isinstance(given, str):
        refuse(of, name, f"several texts; put the one into a list: {name}=[…]", given)
    found = tuple(given)
    for each in found:
        if not isinstance(each, str):
            refuse(of, name, "texts alone", each)
    return found


def check_limit(setting: str, value: int, least: int) -> None:
    """Check a setting that counts something.

    Raises:
        InvalidSetting: it is no number, or too small a one.
    """
    if type(value) is not int or value < least:
        raise InvalidSetting(setting=setting, problem=f"expected {least} or more, found {value!r}")


def refuse(of: str, name: str, expected: str, found: object) -> NoReturn:
    """Raise the error that an argument is not what it should be.

    Raises:
        InvalidMessage: always.
    """
    # Never a text: it may be anybody's name.
    shown = repr(found) if isinstance(found, int | float) else f"a {type(found).__name__}"
    raise InvalidMessage(message=of, field=name, problem=f"{name}: expected {expected}; found {shown}")


_SEARCHED: dict[str, tuple[type, str]] = {
    "command_id": (UUID, "a UUID; make one of text with uuid.UUID(…)"),
    "correlation_id": (UUID, "a UUID"),
    "causation_id": (UUID, "a UUID"),
    "principal": (str, "the principal's name, a str"),
    "since": (datetime, "a datetime with its zone"),
    "until": (datetime, "a datetime with its zone"),
    "position": (int, "a position"),
    "after": (int, "a place to go on behind: 0, 1, 2 …"),
    "limit": (int, "how many at most: 0, 1, 2 …"),
}
