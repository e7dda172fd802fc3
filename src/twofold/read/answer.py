"""A query's answer together with what it rests on."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from twofold.history.record import Position

A = TypeVar("A")


class Answer(msgspec.Struct, Generic[A], frozen=True):
    """What a query is answered with, and the position up to which it shows everything.

    `position` is None where the query's handler asks for no view. To send a command only if what it rests on is still
    as the answer showed it, give the position back: `send(command, expected=answer.position)`.
    """

    value: A
    position: Position | None
