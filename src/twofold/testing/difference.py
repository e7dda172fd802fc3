"""Differences that can be read: field by field, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from twofold.errors import Rejected
from twofold.message import Event

_NOTHING = "nothing"


class Difference(msgspec.Struct, frozen=True):
    """One place where two values differ; `path` is empty for the whole. The values are told as text."""

    path: str
    expected: str
    found: str


def differences(expected: Any, found: Any, path: str = "") -> Iterator[Difference]:
    """Yield where two values differ, as deep inside as can be told; nothing where they are equal."""
    if expected != found:
        inside = list(_inside(expected, found, path))
        yield from inside or [Difference(path, repr(expected), repr(found))]


def _inside(expected: Any, found: Any, path: str) -> Iterator[Difference]:
    if isinstance(expected, msgspec.Struct) and type(expected) is type(found):
        for name in expected.__struct_fields__:
            yield from differences(getattr(expected, name), getattr(found, name), f"{path}.{name}".lstrip("."))
    elif isinstance(expected, dict) and isinstance(found, dict):
        yield from _in_mappings(expected, found, path)
    elif isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        yield from _in_sequences(expected, found, path)


def _in_mappings(expected: dict[Any, Any], found: dict[Any, Any], path: str) -> Iterator[Difference]:
    for key in dict.fromkeys([*expected, *found]):
        place = f"{path}[{key!r}]"
        if key not in found:
            yield Difference(place, repr(expected[key]), _NOTHING)
        elif key not in expected:
            yield Difference(place, _NOTHING, repr(found[key]))
        else:
            yield from differences(expected[key], found[key], place)


def _in_sequences(expected: Sequence[Any], found: Sequence[Any], path: str) -> Iterator[Difference]:
    shared = min(len(expected), len(found))
    for place in range(shared):
        yield from differences(expected[place], found[place], f"{path}[{place}]")
    for place in range(shared, len(expected)):
        yield Difference(f"{path}[{place}]", repr(expected[place]), _NOTHING)
    for place in range(shared, len(found)):
        yield Difference(f"{path}[{place}]", _NOTHING, repr(found[place]))


def value_text(expected: Any, found: Any) -> str:
    """Return the differences of two values as lines of text; empty where there are none."""
    return "\n".join(line for difference in differences(expected, found) for line in _lines(difference))


def events_text(expected: Sequence[Event], found: Sequence[Event]) -> str:
    """Return the differences of two lists of events as lines of text; empty where there are none."""
    if [type(event) for event in expected] != [type(event) for event in found]:
        return f"{_listed('expected', expected)}\n{_listed('found', found)}"
    lines: list[str] = []
    for number, (one, other) in enumerate(zip(expected, found, strict=True), 1):
        inside = value_text(one, other)
        if inside:
            lines.append(f"  event {number}, {type(one).__name__}")
            lines.append(inside)
    return "\n".join(lines)


def rejection_text(expected: Rejected, found: Rejected) -> str:
    """Return how two rejections differ as lines of text; empty where they do not.

    The code counts; the reason only where both give one; facts only where some are expected.
    """
    if expected != found:
        return "\n".join(_lines(Difference("", repr(expected), repr(found))))
    if expected.facts and expected.facts != found.facts:
        return f"  facts of {expected.code}\n" + value_text(expected.facts, found.facts)
    return ""


def outcome_text(outcome: Sequence[Event] | Rejected, word: str) -> str:
    """Return an outcome as lines of text under a word: the events, the rejection, or that there were none."""
    if isinstance(outcome, Rejected):
        return f"  {word:<9} {outcome!r}"
    return _listed(word, outcome)


def _listed(word: str, events: Sequence[Event]) -> str:
    if len(events) < 2:
        return f"  {word:<9} {repr(events[0]) if events else 'no event'}"
    numbered = "\n".join(f"    {number}. {event!r}" for number, event in enumerate(events, 1))
    return f"  {word:<9} {len(events)} events\n{numbered}"


def _lines(difference: Difference) -> Iterator[str]:
    indent = "  "
    if difference.path:
        yield f"    {difference.path}"
        indent = "      "
    yield f"{indent}{'expected':<9} {difference.expected}"
    yield f"{indent}{'found':<9} {difference.found}"
