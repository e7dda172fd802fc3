"""A read model with a column of every kind, and instances of it at random."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Literal
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from twofold.model import ReadModel
from twofold.read.table import Table
from twofold.testing.contracts.rows import Noted


class Colour(Enum):
    """An enumeration kept as text."""

    RED = "red"
    GREEN = "green"


class Size(IntEnum):
    """An enumeration kept as integers."""

    SMALL = 1
    LARGE = -7


class Part(msgspec.Struct):
    """A nested value."""

    name: str
    sizes: tuple[int, ...] = ()
    inner: Part | None = None


class Circle(msgspec.Struct, tag=True):
    """One of two nested values that are told apart by a tag."""

    radius: int


class Square(msgspec.Struct, tag=True):
    """The other one."""

    side: Decimal
    name: str = ""


class EveryKind(ReadModel, key=("name", "place")):
    """One field of every kind, empty or not."""

    name: UUID
    place: int
    text: str = ""
    integer: int = 0
    real: float = 0.0
    boolean: bool = False
    content: bytes = b""
    moment: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    local: datetime = datetime(2000, 1, 1)
    day: date = date(2000, 1, 1)
    hour: time = time()
    amount: Decimal = Decimal(0)
    colour: Colour = Colour.RED
    size: Size = Size.SMALL
    choice: Literal["a", "b"] = "a"
    parts: list[Part] = []
    counts: dict[str, int] = {}
    span: timedelta = timedelta()
    mixed: int | str = 0
    drawn: Circle | Square | None = None
    maybe_text: str | None = None
    maybe_integer: int | None = None
    maybe_real: float | None = None
    maybe_boolean: bool | None = None
    maybe_content: bytes | None = None
    maybe_id: UUID | None = None
    maybe_moment: datetime | None = None
    maybe_day: date | None = None
    maybe_amount: Decimal | None = None
    maybe_colour: Colour | None = None
    maybe_parts: list[Part] | None = None

    def evolve(self, event: Noted) -> None:
        """Do nothing."""


EVERY_KIND = Table(EveryKind)

_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_integers = st.integers(-(2**63), 2**63 - 1)
# Databases may lose the sign of zero.
_reals = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
_zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))])
_moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=_zones)
_locals = st.datetimes()
_amounts = st.decimals(allow_nan=False, allow_infinity=False)
_parts = st.lists(
    st.builds(
        Part,
        _texts,
        st.lists(_integers, max_size=2).map(tuple),
        st.none() | st.builds(Part, _texts),
    ),
    max_size=2,
)

INSTANCES = st.builds(
    EveryKind,
    name=st.uuids(),
    place=_integers,
    text=_texts,
    integer=_integers,
    real=_reals,
    boolean=st.booleans(),
    content=st.binary(max_size=20),
    moment=_moments,
    local=_locals,
    day=st.dates(),
    hour=st.times(),
    amount=_amounts,
    colour=st.sampled_from(Colour),
    size=st.sampled_from(Size),
    choice=st.sampled_from(["a", "b"]),
    parts=_parts,
    counts=st.dictionaries(_texts, _integers, max_size=3),
    span=st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    mixed=_integers | _texts,
    drawn=st.none() | st.builds(Circle, _integers) | st.builds(Square, _amounts, _texts),
    maybe_text=st.none() | _texts,
    maybe_integer=st.none() | _integers,
    maybe_real=st.none() | _reals,
    maybe_boolean=st.none() | st.booleans(),
    maybe_content=st.none() | st.binary(max_size=20),
    maybe_id=st.none() | st.uuids(),
    maybe_moment=st.none() | _moments,
    maybe_day=st.none() | st.dates(),
    maybe_amount=st.none() | _amounts,
    maybe_colour=st.none() | st.sampled_from(Colour),
    maybe_parts=st.none() | _parts,
)
