"""A snapshot: the state of a folded write model, as it was behind one event of its boundary.

It is kept outside the history and never needed: without it the model is folded from the first event. It is used only
where it is certain to be what that fold would give. Its `made_of` tells the model's definition and code, and the id of
the event that it was folded up to tells the history: an event that is found at its position under its id has the same
events before it, whatever was restored or exchanged meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from twofold.fingerprint import digest, reached_from, schema_of
from twofold.history.record import Position
from twofold.message import tagged_fields
from twofold.model import WriteModel, fold_of
from twofold.write.handler import Boundary

_encoder = msgspec.msgpack.Encoder()
_REFUSALS = (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, ArithmeticError, RecursionError)
_LEAVES = frozenset((bool, int, float, str, bytes, UUID))
_PLAIN = (bool, int, float, str, bytes, type(None), Enum, UUID, Decimal, date, time, timedelta)


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a model.

    Args:
        made_of: the fingerprint of the model's definition and code.
        position: of the last event that was folded.
        event_id: that event's.
        state: the model's fields, encoded.
        checksum: of all of these.
    """

    made_of: str
    position: Position
    event_id: bytes
    state: bytes
    checksum: bytes

    @property
    def is_whole(self) -> bool:
        """Tell whether it is as it was made."""
        return self.checksum == _checksum(self.made_of, self.position, self.event_id, self.state)


def snapshot_of(model: type[WriteModel], state: bytes, position: Position, event_id: bytes) -> Snapshot:
    """Return a snapshot of a model, which had this state behind the event at this position."""
    made_of = made_of_what(model)
    return Snapshot(made_of, position, event_id, state, _checksum(made_of, position, event_id, state))


def key_of(boundary: Boundary) -> str:
    """Return the text under which a boundary's snapshot is kept: the model's name and the tags."""
    model = boundary.model
    name = f"{model.__module__}.{model.__qualname__}"
    return msgspec.json.encode((name, *boundary.criterion.tags)).decode()


@cache
def made_of_what(model: type[WriteModel]) -> str:
    """Return what changes when a write model's state might: its definition, its events', and the code that folds it."""
    return digest(_definition_of(model))


def encoded(model: WriteModel) -> bytes | None:
    """Return a model's fields in bytes; None where they would not come back as they are."""
    try:
        state = _encoder.encode(model)
        is_same = _are_same(model, _decoder_of(type(model)).decode(state), set())
    except _REFUSALS:
        return None
    return state if is_same else None


def decoded(model: type[WriteModel], snapshot: Snapshot) -> WriteModel | None:
    """Return the model that a snapshot holds; None where it is not whole, or is of another definition."""
    if snapshot.made_of != made_of_what(model) or not snapshot.is_whole:
        return None
    try:
        return _decoder_of(model).decode(snapshot.state)
    except _REFUSALS:
        return None


@cache
def _decoder_of(model: type[WriteModel]) -> msgspec.msgpack.Decoder[WriteModel]:
    return msgspec.msgpack.Decoder(model)


def _definition_of(model: type[WriteModel]) -> Iterator[str]:
    for event in fold_of(model).events:
        yield f"{event.message_name} {event.message_version} {tagged_fields(event)} {schema_of(event)}"
        yield from reached_from(event)
    yield from reached_from(model)


def _checksum(made_of: str, position: Position, event_id: bytes, state: bytes) -> bytes:
    return sha256(b"%b\0%d\0%b\0%b" % (made_of.encode(), position, event_id, state)).digest()


def _are_same(one: Any, other: Any, met: set[int]) -> bool:
    """Tell whether two values are equal and of equal types, all the way down; and nothing in `one` is there twice.

    Equality alone would take 3 for 3.0, a text for a member of an Enum, and two lists for one list in two places.
    """
    kind = type(one)
    if kind is not type(other):
        return False
    if isinstance(one, _PLAIN):
        return bool(one == other) and getattr(one, "tzinfo", None) == getattr(other, "tzinfo", None)
    if kind not in (tuple, frozenset):
        if id(one) in met:
            return False
        met.add(id(one))
    if isinstance(one, msgspec.Struct):
        hidden = getattr(one, "__dict__", None)
        return not hidden and _are_same(msgspec.structs.astuple(one), msgspec.structs.astuple(other), met)
    if kind is dict:
        return _are_same((*one,), (*other,), met) and _are_same((*one.values(),), (*other.values(),), met)
    if kind not in (list, tuple, set, frozenset) or len(one) != len(other):
        return False
    types = set(map(type, one))
    if types == set(map(type, other)) and len(types) == 1 and types < _LEAVES:
        return bool(one == other)
    if kind in (list, tuple):
        return all(_are_same(a, b, met) for a, b in zip(one, other, strict=True))
    own = {part: part for part in other}
    return all(part in own and _are_same(part, own[part], met) for part in one)
