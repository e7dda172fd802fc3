"""Tags: which fields carry them, what text they make, and what cannot be one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import msgspec
import pytest

from twofold import Command, Event, Hashed, Tag
from twofold.errors import DeclarationError, InvalidMessage
from twofold.message import MessageType, TaggedField, tagged_fields, tags_of
from twofold.tag import tag_text


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
        TaggedField("user", Tag("user")),
        TaggedField("maybe", Tag("maybe")),
        TaggedField("perhaps", Tag("name")),
        TaggedField("guests", Tag("user"), many=True),
        TaggedField("labels", Tag("label"), many=True),
        TaggedField("pair", Tag("name"), many=True),
        TaggedField("code", Tag("code")),
        TaggedField("twice", Tag("one")),
        TaggedField("twice", Tag("other")),
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


EMAIL = Tag("email", hashed=True)
KEYED = Tag("email", hashed=True, key=b"sixteen bytes or")


class SignedUp(Event):
    email: Annotated[str, EMAIL]


class SignedUpInPrivate(Event):
    email: Annotated[Hashed, EMAIL]
    others: list[Annotated[Hashed, EMAIL]] = []


def test_a_hashed_tag_does_not_show_its_value() -> None:
    (tag,) = tags_of(SignedUp("ada@example.org"))
    # Written down: what is stored under it must be found by every later version.
    assert tag == "email:oy5Iu3E3eLnGGOoiN5yo9fio3F2qI-w8"
    assert tag == EMAIL.text("ada@example.org") == f"email:{EMAIL.hash('ada@example.org')}"


def test_equal_values_have_equal_hashes_under_one_kind_and_key_alone() -> None:
    tags = [EMAIL, KEYED, Tag("phone", hashed=True), Tag("email", hashed=True, key=b"sixteen byte key")]
    hashes = [tag.hash(value) for tag in tags for value in ("ada@example.org", "eva@example.org", 7, U, Level.LOW)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(text) == 32 for text in hashes)
    assert EMAIL.hash("7") == EMAIL.hash(7)
    assert EMAIL.hash(Level.LOW) == EMAIL.hash("low")


def test_an_event_may_hold_the_hash_alone() -> None:
    event = SignedUpInPrivate(EMAIL.hash("ada@example.org"), [EMAIL.hash("eva@example.org")])
    assert tags_of(event) == (EMAIL.text("ada@example.org"), EMAIL.text("eva@example.org"))
    assert [field.is_hash for field in tagged_fields(SignedUpInPrivate)] == [True, True]


@pytest.mark.parametrize("value", ["ada@example.org", "", "x" * 31, "x" * 33, "ada@example.org".ljust(32, "x"), 5])
def test_a_value_is_never_taken_for_a_hash(value: Any) -> None:
    with pytest.raises(InvalidMessage, match=r"email: expected the 32 characters that Tag\.hash gives") as refused:
        tags_of(SignedUpInPrivate(value))
    assert str(value) not in str(refused.value) or not value


@pytest.mark.parametrize("value", ["", "x" * 513, 1.5, None])
def test_a_value_that_makes_no_tag_makes_no_hash(value: Any) -> None:
    with pytest.raises(InvalidMessage, match="tag email"):
        EMAIL.hash(value)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"key": b"sixteen bytes or"}, "tag 'email' has a key, and is not hashed"),
        ({"hashed": True, "key": b"fifteen bytes.."}, "the key of tag 'email' is not of 16 to 64 bytes"),
        ({"hashed": True, "key": b"x" * 65}, "the key of tag 'email' is not of 16 to 64 bytes"),
        ({"hashed": True, "key": "a text of some length"}, "the key of tag 'email' is not of 16 to 64 bytes"),
    ],
)
def test_a_key_is_a_secret_of_some_length(options: Any, what: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Tag("email", **options)
    assert refused.value.what == what
    assert "bytes or" not in str(refused.value)


def test_a_key_is_never_shown() -> None:
    assert repr(KEYED) == "Tag('email', hashed=True, key=…)"
    assert repr(EMAIL) == "Tag('email', hashed=True)"
    assert len({EMAIL, KEYED, Tag("email"), Tag("email", hashed=True)}) == 3


class Line(msgspec.Struct):
    item: Annotated[str, Tag("item")]
    count: int = 1
    before: Line | None = None


class Gift(msgspec.Struct, tag=True):
    item: Annotated[str, Tag("item")]


class Voucher(msgspec.Struct, tag=True):
    cents: int


class Ordered(Event):
    first: Line
    lines: list[Line] = []
    extra: Gift | Voucher | None = None


def test_fields_inside_a_field_carry_tags_as_well() -> None:
    assert [(field.name, field.kind, field.many) for field in tagged_fields(Ordered)] == [
        ("first.item", "item", False), ("lines.item", "item", True), ("extra.item", "item", False),
    ]  # fmt: skip
    event = Ordered(Line("pen"), [Line("ink"), Line("pen"), Line("nib")], Gift("cap"))
    assert tags_of(event) == ("item:pen", "item:ink", "item:nib", "item:cap")
    assert tags_of(Ordered(Line("pen"), extra=Voucher(5))) == ("item:pen",)


def test_a_tag_inside_that_is_refused_names_the_field() -> None:
    with pytest.raises(InvalidMessage) as refused:
        tags_of(Ordered(Line("pen"), [Line("")]))
    assert (refused.value.message, refused.value.field) == ("Ordered", "lines.item")


@pytest.mark.parametrize("kind", [dict[Name, int], dict[str, Line], list[dict[str, Name]]])
def test_a_tag_that_would_give_none_is_refused(kind: Any) -> None:
    wrong: Any = MessageType("Wrong", (Command,), {"__annotations__": {"thing": kind}, "__module__": __name__})
    with pytest.raises(DeclarationError, match=r"Wrong\.thing carries a tag but is of type dict"):
        tagged_fields(wrong)
