"""Tags: which fields carry them, what text they make, and what cannot be one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest

from twofold import Command, Event, Tag
from twofold.errors import DeclarationError, InvalidMessage
from twofold.message import MessageType, TaggedField, tag_text, tagged_fields, tags_of


class Level(Enum):
    LOW = "low"
    HIGH = 2


class Number(IntEnum):
    ONE = 1


Code = NewType("Code", str)
UserId = Annotated[UUID, Tag("user")]
Name = Annotated[str, Tag("name")]


class Plain(Event):
    user: UserId
    note: str = ""


class Many(Event):
    user: UserId
    maybe: Annotated[str | None, Tag("maybe")] = None
    perhaps: Name | None = None
    guests: list[UserId] = []
    labels: Annotated[frozenset[str], Tag("label")] = frozenset()
    pair: tuple[Name, ...] = ()
    code: Annotated[Code, Tag("code")] = Code("")
    twice: Annotated[int, Tag("one"), Tag("other")] = 0


class Untagged(Event):
    note: str = ""


U, V = UUID(int=1), UUID(int=2)


def test_an_event_carries_the_tags_of_its_fields() -> None:
    assert tags_of(Plain(U)) == (f"user:{U}",)
    assert tags_of(Untagged("x")) == ()


def test_a_field_without_value_gives_no_tag() -> None:
    event = Many(U, code=Code("c"))
    assert tags_of(event) == (f"user:{U}", "code:c", "one:0", "other:0")


def test_lists_give_a_tag_for_each_value_and_each_tag_comes_once() -> None:
    event = Many(U, "m", "n", [U, V, V], frozenset({"a"}), ("n", "o"), Code("c"), 7)
    assert tags_of(event) == (
        f"user:{U}", "maybe:m", "name:n", f"user:{V}", "label:a", "name:o", "code:c", "one:7", "other:7",
    )  # fmt: skip


def test_tagged_fields_tell_kind_and_whether_there_may_be_many() -> None:
    assert tagged_fields(Many) == (
        TaggedField("user", "user"),
        TaggedField("maybe", "maybe"),
        TaggedField("perhaps", "name"),
        TaggedField("guests", "user", many=True),
        TaggedField("labels", "label", many=True),
        TaggedField("pair", "name", many=True),
        TaggedField("code", "code"),
        TaggedField("twice", "one"),
        TaggedField("twice", "other"),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (U, f"k:{U}"),
        ("a:b c", "k:a:b c"),
        (7, "k:7"),
        (-(2**63), f"k:{-(2**63)}"),
        (date(2026, 1, 2), "k:2026-01-02"),
        (Level.LOW, "k:low"),
        (Level.HIGH, "k:2"),
        (Number.ONE, "k:1"),
        ("x" * 512, "k:" + "x" * 512),
    ],
)
def test_a_value_makes_one_text(value: Any, text: str) -> None:
    assert tag_text("k", value) == text


@pytest.mark.parametrize("value", ["", "x" * 513, 1.5, None, b"x", datetime(2026, 1, 1, tzinfo=UTC), (1,)])
def test_a_value_that_makes_no_tag_is_refused(value: Any) -> None:
    with pytest.raises(InvalidMessage, match="tag k"):
        tag_text("k", value)


@pytest.mark.parametrize(
    ("event", "message", "field"),
    [
        (Many(U, code=Code("")), "Many", "code"),
        (Many(U, code=Code("c"), pair=("a", "")), "Many", "pair"),
        (Many(U, code=Code("c" * 513)), "Many", "code"),
    ],
)
def test_an_event_whose_tag_is_refused_names_the_field(event: Event, message: str, field: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        tags_of(event)
    assert (refused.value.message, refused.value.field) == (message, field)
    assert refused.value.problem.startswith(f"{field}: expected 1 to 512 characters")


@pytest.mark.parametrize("kind", ["", "User", "user id", "1user", "user:", "ü", "_user", 5, None])
def test_a_tag_kind_is_a_short_lower_case_word(kind: Any) -> None:
    with pytest.raises(DeclarationError, match=r"is no tag kind.*\n.*mend: use a short lower-case word"):
        Tag(kind)


def test_tags_are_equal_by_kind() -> None:
    assert Tag("user") == Tag("user")
    assert Tag("user") != Tag("account")
    assert len({Tag("user"), Tag("user")}) == 1
    assert repr(Tag("user")) == "Tag('user')"


@pytest.mark.parametrize("kind", [float, bytes, datetime, dict[str, str], Any, object, list[float]])
def test_a_field_whose_type_makes_no_tag_is_refused(kind: Any) -> None:
    annotations = {"thing": Annotated[kind, Tag("thing")]}
    wrong: Any = MessageType("Wrong", (Command,), {"__annotations__": annotations, "__module__": __name__})
    with pytest.raises(DeclarationError, match=r"Wrong\.thing carries a tag but is of type"):
        tagged_fields(wrong)


@pytest.mark.parametrize("kind", [Literal["a", "b"], Literal[1], str | int, Level, Code | None, list[Number], bool])
def test_a_field_whose_type_makes_a_tag_is_taken(kind: Any) -> None:
    annotations = {"thing": Annotated[kind, Tag("thing")]}
    right: Any = MessageType("Right", (Command,), {"__annotations__": annotations, "__module__": __name__})
    assert [field.kind for field in tagged_fields(right)] == ["thing"]


@pytest.mark.parametrize("kind", [Literal[b"a"], str | float, list[list[bytes]], dict[str, str] | str])
def test_a_field_of_which_one_type_makes_no_tag_is_refused(kind: Any) -> None:
    annotations = {"thing": Annotated[kind, Tag("thing")]}
    wrong: Any = MessageType("Wrong", (Command,), {"__annotations__": annotations, "__module__": __name__})
    with pytest.raises(DeclarationError, match=r"Wrong\.thing carries a tag but is of type .*test_tags"):
        tagged_fields(wrong)
