"""Only a state that comes back as it is, to the last type, is kept in a snapshot."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.write.tallies import Counted
from twofold import WriteModel
from twofold.model import WriteModelType
from twofold.write.snapshot import decoded, encoded, snapshot_of


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


class Word(StrEnum):
    YES = "yes"


class Part(msgspec.Struct):
    number: int = 0
    inside: list[int] = []


class Fixed(msgspec.Struct, frozen=True):
    number: int = 0


class Free(msgspec.Struct, dict=True):
    number: int = 0


SHARED = [1]
FREE = Free()
FREE.more = 1  # type: ignore[attr-defined]
CET = timezone(timedelta(hours=1))
SOME = UUID(int=7)

KEPT: dict[str, tuple[Any, Any]] = {
    "a number": (int, 2**63 - 1),
    "a text": (str, "ä\0"),
    "a float": (float, 0.1),
    "bytes": (bytes, b"\xff"),
    "nothing": (int | None, None),
    "an id": (UUID, SOME),
    "a decimal": (Decimal, Decimal("1.10")),
    "a time": (datetime, datetime(2026, 1, 1, tzinfo=UTC)),
    "a time of no zone": (datetime, datetime(2026, 1, 1)),
    "a day": (date, date(2026, 1, 1)),
    "a duration": (timedelta, timedelta(seconds=3)),
    "an enum": (Colour, Colour.RED),
    "an enum of numbers": (Size, Size.SMALL),
    "a list": (list[int], [1, 2]),
    "a list of lists": (list[list[int]], [[1], [2]]),
    "a tuple": (tuple[int, str], (1, "a")),
    "a set": (set[str], {"a", "b"}),
    "a set of tuples": (set[tuple[int, str]], {(1, "a"), (2, "b")}),
    "a frozen set": (frozenset[UUID], frozenset({SOME})),
    "a dict by tuples": (dict[tuple[int, str], int], {(1, "a"): 2}),
    "a dict by ids in another order": (dict[UUID, int], {SOME: 1, UUID(int=1): 2}),
    "a part": (Part, Part(1, [2])),
    "a dict of parts": (dict[str, Part], {"a": Part(1), "b": Part(2)}),
    "a set of fixed parts": (set[Fixed], {Fixed(1), Fixed(2)}),
    "an event": (Counted | None, Counted("a", 1, 2, 3)),
}
NOT_KEPT: dict[str, tuple[Any, Any]] = {
    "a number beyond 64 bits": (int, 2**64),
    "a whole number among floats": (float, 3),
    "not a number": (float, float("nan")),
    "a text of another type": (Any, Word.YES),
    "a number of another type": (Any, Size.SMALL),
    "an id of no type": (Any, SOME),
    "a tuple of no type": (Any, (1, 2)),
    "a list of mixed numbers": (list[float], [1.0, 2]),
    "a time of another zone": (datetime, datetime(2026, 1, 1, tzinfo=CET)),
    "a counter": (dict[str, int], Counter("a")),
    "a dict with a default": (dict[str, int], defaultdict(int, a=1)),
    "what no format has": (Any, object()),
    "one list in two places": (list[list[int]], [SHARED, SHARED]),
    "a hidden attribute": (Free, FREE),
    "half a character": (str, "\ud800"),
}


def model_with(kind: Any, value: Any) -> WriteModel:
    made: Any = WriteModelType(
        "Model", (WriteModel,), {"__annotations__": {"value": kind}, "value": None, "evolve": evolve}, tag="tally"
    )
    model: WriteModel = made(value)
    return model


def evolve(self: Any, event: Counted) -> None: ...


@pytest.mark.parametrize("case", KEPT)
def test_a_snapshot_gives_back(case: str) -> None:
    model = model_with(*KEPT[case])
    state = encoded(model)
    assert state is not None
    back = decoded(type(model), snapshot_of(type(model), state, 1, b"id"))
    assert back == model
    assert repr(back) == repr(model) or isinstance(KEPT[case][1], set | frozenset)


@pytest.mark.parametrize("case", NOT_KEPT)
def test_no_snapshot_is_made_of(case: str) -> None:
    assert encoded(model_with(*NOT_KEPT[case])) is None
