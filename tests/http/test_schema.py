"""Schemas of messages and answers tell what is taken, and examples are taken."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NotRequired, Optional, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from twofold import Command, Found, ReadModel
from twofold.http.schema import example_of, schemas_of

T = TypeVar("T")
ZONED = {"type": "string", "format": "date-time"}
ROWS = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
Described = Annotated[datetime, Meta(description="d")]


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Inner(Struct):
    at: datetime


class Node(Struct):
    at: datetime
    next: "Node | None" = None


class Box(Struct, Generic[T]):
    content: T


class Cat(Struct, tag=True):
    born: datetime


class Dog(Struct, tag=True):
    found: datetime


@dataclass
class Plain:
    at: datetime


class Loose(TypedDict):
    at: NotRequired[datetime]


class Row(ReadModel, key="id"):
    id: int


class Everything(Command):
    text: str
    short: Annotated[str, Meta(max_length=2)]
    long: Annotated[str, Meta(min_length=30)]
    patterned: Annotated[str, Meta(pattern="^[A-Z]{2}$", examples=["AB"])]
    number: int
    positive: Annotated[int, Meta(gt=0)]
    small: Annotated[int, Meta(lt=-5)]
    bounded: Annotated[int, Meta(ge=10, le=20, multiple_of=7)]
    share: Annotated[float, Meta(ge=0, le=1)]
    flag: bool
    id: UUID
    at: datetime
    zoned: Annotated[datetime, Meta(tz=True)]
    day: date
    hour: time
    span: timedelta
    price: Decimal
    raw: bytes
    colour: Colour
    level: Level
    choice: Literal["a", "b"]
    maybe: int | None
    texts: Annotated[list[str], Meta(min_length=2)]
    pair: tuple[int, str]
    times: dict[str, datetime]
    inner: Inner
    node: Node
    box: Box[Inner]
    anything: Any
    either: int | list[datetime] | None


def test_an_example_of_every_type_of_field_is_taken() -> None:
    [schema], components = schemas_of([Everything])
    example = example_of(Everything, schema, components)
    assert example is not None
    assert set(example) == set(Everything.__struct_fields__)


class Patterned(Command):
    code: Annotated[str, Meta(pattern="^[0-9]+$")]


class Local(Command):
    at: Annotated[datetime, Meta(tz=False)]


@pytest.mark.parametrize("kind", [Patterned, Local])
def test_no_example_is_given_where_none_can_be_made(kind: type[Command]) -> None:
    [schema], components = schemas_of([kind])
    assert example_of(kind, schema, components) is None


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (datetime, ()),
        (list[datetime], ("items",)),
        (set[datetime], ("items",)),
        (tuple[datetime, ...], ("items",)),
        (tuple[int, datetime], ("prefixItems", 1)),
        (dict[str, datetime], ("additionalProperties",)),
        (datetime | None, ("anyOf", 0)),
        (Optional[Described], ("anyOf", 0)),  # noqa: UP045 - pyright takes no `|` after such an alias
        (list[datetime] | int | None, ("anyOf", 0, "items")),
    ],
)
def test_a_time_is_told_to_be_one_wherever_it_is(kind: Any, place: tuple[Any, ...]) -> None:
    [found], _ = schemas_of([kind])
    for name in place:
        found = found[name]
    assert {name: found[name] for name in ZONED} == ZONED


@pytest.mark.parametrize("kind", [Inner, Inner | None, list[Inner], Node, Plain, Loose, Cat | Dog, int | Dog | None])
def test_a_time_is_told_to_be_one_in_whatever_holds_it(kind: Any) -> None:
    _, components = schemas_of([kind])
    for component in components.values():
        for name in {"at", "born", "found"} & set(component["properties"]):
            assert component["properties"][name] == ZONED


def test_a_time_that_must_have_no_zone_is_not_told_to_have_one() -> None:
    _, components = schemas_of([Local])
    assert components["Local"]["properties"]["at"] == {"type": "string"}


class Unknown:
    pass


@pytest.mark.parametrize(
    ("answer", "schema"),
    [
        (Found[Row], ROWS),
        (Found[Row] | None, {"anyOf": [ROWS, {"type": "null"}]}),
        (Found, {"type": "array"}),
        (Any, {}),
        (Unknown, {"description": "a value of Unknown"}),
        (list[Unknown], {"type": "array", "items": {"description": "a value of Unknown"}}),
    ],
)  # fmt: skip
def test_an_answer_of_any_type_has_a_schema(answer: Any, schema: dict[str, Any]) -> None:
    [found], _ = schemas_of([answer])
    assert found == schema
    assert msgspec.json.encode(found)
