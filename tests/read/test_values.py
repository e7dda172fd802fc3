"""Values that rows are looked for by: of the field's type, and within what narrows it."""

from decimal import Decimal
from typing import Annotated, Any, NewType
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta

from twofold import Event, ReadModel, Tag
from twofold.errors import InvalidFilter
from twofold.read.column import column_of
from twofold.read.table import Table

Code = NewType("Code", str)


class Happened(Event):
    user: Annotated[UUID, Tag("user")]


class Narrow(ReadModel, key="user"):
    user: Annotated[UUID, Tag("user")]
    name: Annotated[str, Meta(min_length=3)] = "abc"
    stars: Annotated[int, Meta(ge=0)] | None = None
    code: Code = Code("")
    height: float = 0.0

    def evolve(self, event: Happened) -> None: ...


TABLE = Table(Narrow)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "ab"),
        ("stars", -1),
        ("stars", True),
        ("code", 1),
        ("height", float("nan")),
        ("user", "0190a7e0-0000-7000-8000-000000000001"),
        ("name", "a\0b"),
    ],
)
def test_a_value_that_the_field_cannot_have_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidFilter, match=field):
        TABLE.value(field, value)


def test_only_fields_that_nothing_narrows_take_any_instance_of_their_class() -> None:
    found = {field.name: column_of(Narrow, field).plain for field in msgspec.structs.fields(Narrow)}
    assert found == {"user": UUID, "name": None, "stars": None, "code": str, "height": float}


def test_ids_are_stored_and_come_back_as_their_class_would_have_it() -> None:
    user = UUID("0190A7E0-0000-7000-8000-00000000000F")
    stored = TABLE.value("user", user)
    assert stored == str(user)
    assert TABLE.instance((stored, "abc", None, "", 0.0)).user == user


class Priced(ReadModel, key="price"):
    price: Decimal
    user: UUID = UUID(int=0)
    name: str = ""
    stars: int = 0
    note: str | None = None

    @staticmethod
    def keys(event: Happened) -> list[Decimal]:
        return []

    def evolve(self, event: Happened) -> None: ...


PRICED = Table(Priced)
PRICE = Decimal("1.00")


def test_many_instances_become_the_rows_that_each_becomes() -> None:
    some = [Priced(PRICE, name="Ada"), Priced(PRICE, UUID(int=7), "\xe9\U0001f600", 2**63 - 1, "x"), Priced(PRICE)]
    assert PRICED.rows(some) == [PRICED.row(each) for each in some]
    assert PRICED.rows([]) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a\0b"), ("name", "\ud800"), ("name", b"a"), ("name", None), ("stars", 2**63),
        ("stars", -(2**63) - 1), ("stars", "1"), ("user", str(UUID(int=1))), ("user", None), ("note", "\0"),
    ],
)  # fmt: skip
def test_one_instance_that_cannot_be_stored_is_refused_among_many(field: str, value: Any) -> None:
    wrong = Priced(PRICE, name="Grace", stars=3)
    setattr(wrong, field, value)
    with pytest.raises(TypeError, match=field):
        PRICED.row(wrong)
    with pytest.raises(TypeError):
        PRICED.rows([Priced(PRICE, name="Ada", stars=1), wrong])


def test_a_row_begins_with_its_key_as_it_comes_back() -> None:
    begun = PRICED.fresh(PRICED.key_of((PRICE,)))
    assert str(begun.price) == "1"
    assert PRICED.instance(PRICED.row(begun)) == begun
