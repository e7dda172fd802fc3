"""A message with a field of every kind, and instances of it at random."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec import Meta

from twofold import Command, Event, Tag


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Part(msgspec.Struct, frozen=True):
    name: str
    value: Any = None


class Everything(Command):
    text: str = ""
    integer: int = 0
    real: float = 0.0
    boolean: bool = False
    content: bytes = b""
    moment: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    day: date = date(2000, 1, 1)
    hour: time = time()
    span: timedelta = timedelta()
    amount: Decimal = Decimal(0)
    id: UUID = UUID(int=0)
    colour: Colour = Colour.RED
    size: Size = Size.SMALL
    choice: Literal["a", "b"] = "a"
    part: Part | None = None
    parts: list[Part] = []
    reals: list[float] = []
    pair: tuple[int, str] = (0, "")
    ids: frozenset[int] = frozenset()
    names: dict[str, str] = {}
    anything: Any = None
    mixed: int | str | None = None
    maybe_real: float | None = None
    short: Annotated[str, Meta(min_length=1, max_length=5)] = "short"
    word: Annotated[str, Meta(pattern="^[a-z]+$")] = "word"
    small: Annotated[int, Meta(ge=0, lt=10)] = 0
    few: Annotated[list[int], Meta(max_length=2)] = []


class Named(Command):
    name: str
    other: int = 0


class Happened(Event):
    account: Annotated[str, Tag("account")]
    note: str = ""


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
integers = st.integers(-(2**63), 2**63 - 1)
reals = st.floats(allow_nan=False, allow_infinity=False)
_zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))])
_plain = st.none() | st.booleans() | integers | reals | texts
anything = st.recursive(
    _plain, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(texts, inside, max_size=3)
)
_parts = st.builds(Part, texts, anything)

MESSAGES = st.builds(
    Everything,
    text=texts,
    integer=integers,
    real=reals,
    boolean=st.booleans(),
    content=st.binary(max_size=10),
    moment=st.datetimes(timezones=_zones | st.none()),
    day=st.dates(),
    hour=st.times(),
    span=st.timedeltas(timedelta(days=-1_000), timedelta(days=1_000)),
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    id=st.uuids(),
    colour=st.sampled_from(Colour),
    size=st.sampled_from(Size),
    choice=st.sampled_from(["a", "b"]),
    part=st.none() | _parts,
    parts=st.lists(_parts, max_size=3),
    reals=st.lists(reals, max_size=3),
    pair=st.tuples(integers, texts),
    ids=st.frozensets(integers, max_size=3),
    names=st.dictionaries(texts, texts, max_size=3),
    anything=anything,
    mixed=st.none() | integers | texts,
    maybe_real=st.none() | reals,
    short=st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=5),
    word=st.from_regex("[a-z]+", fullmatch=True),
    small=st.integers(0, 9),
    few=st.lists(integers, max_size=2),
)
