"""A read model that cannot be kept in a table is refused where a handler asks for it."""

# mypy: disable-error-code="no-untyped-def, misc, override"
# pyright: reportIncompatibleMethodOverride=false, reportReturnType=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from tests.declaration.parts import Joined, Left, Member, Noted, User
from tests.declaration.refusals import app, declare, refused
from twofold import Event, ReadModel
from twofold.errors import DeclarationError

# keys


class Keyless(ReadModel):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


def test_a_read_model_has_a_key() -> None:
    with refused(Keyless, "does not say which field is its key", mend='`class Keyless(ReadModel, key="…")`'):
        declare(Keyless)


class KeyIsNoField(ReadModel, key="id"):
    user: UUID = UUID(int=0)
    note: str = ""

    def evolve(self, event: Joined) -> None: ...


class KeyIsHalfAField(ReadModel, key=("user", "id")):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize(("model", "fields"), [(KeyIsNoField, "user, note"), (KeyIsHalfAField, "user")])
def test_the_key_is_a_field(model: Any, fields: str) -> None:
    with refused(
        model, f"the key 'id' of read model {model.__name__} is no field of it (fields: {fields})", mend="add"
    ):
        declare(model)


class KeyIsNested(ReadModel, key="users"):
    users: list[UUID]

    @staticmethod
    def keys(event: Joined) -> list[list[UUID]]:
        return [[event.user]]

    def evolve(self, event: Joined) -> None: ...


def test_the_key_is_a_scalar() -> None:
    with refused(KeyIsNested, "the key 'users' of read model KeyIsNested is no scalar", mend="use a UUID, str, int"):
        declare(KeyIsNested)


class KeyIsNotInTheEvent(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: Joined | Noted) -> None: ...


def test_every_event_tells_the_key() -> None:
    with refused(
        KeyIsNotInTheEvent, "Noted has no field 'user'", "which row of", mend="define a static method `keys(event)`"
    ):
        declare(KeyIsNotInTheEvent)


class KeysOfSomeEvents(ReadModel, key="day"):
    day: date

    @staticmethod
    def keys(event: Joined) -> Iterable[date]:
        return []

    def evolve(self, event: Joined | Left | Noted) -> None: ...


def test_keys_takes_all_events_that_evolve_takes() -> None:
    with refused(
        KeysOfSomeEvents.keys, "KeysOfSomeEvents.keys does not take Left, Noted", mend="let both take the same"
    ):
        declare(KeysOfSomeEvents)


class KeysOfARow(ReadModel, key="day"):
    day: date

    def keys(self, event: Joined) -> Iterable[date]:
        return []

    def evolve(self, event: Joined) -> None: ...


def test_keys_is_a_static_method() -> None:
    with refused(KeysOfARow.keys, "KeysOfARow.keys is an ordinary method", mend="make it a @staticmethod"):
        declare(KeysOfARow)


class KeysLater(ReadModel, key="day"):
    day: date

    @staticmethod
    async def keys(event: Joined) -> Iterable[date]:
        return []

    def evolve(self, event: Joined) -> None: ...


class KeysWithText(ReadModel, key="day"):
    day: date

    @staticmethod
    def keys(event: Joined, meta: str) -> Iterable[date]:
        return []

    def evolve(self, event: Joined) -> None: ...


def test_keys_is_declared_as_evolve_is() -> None:
    with refused(KeysLater.keys, "keys is async or a generator", mend="make it a plain function"):
        declare(KeysLater)
    with refused(KeysWithText.keys, "the second parameter of KeysWithText.keys must be Metadata", mend="annotate it"):
        declare(KeysWithText)


class KeyTwice(ReadModel, key=("user", "user")):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


def test_a_field_is_in_the_key_once() -> None:
    with refused(KeyTwice, "two fields of the key of KeyTwice are named 'user'", mend="leave it out"):
        declare(KeyTwice)


# columns


class SameNames(ReadModel, key="user"):
    user: UUID
    note: str = ""
    Note: str = ""

    def evolve(self, event: Joined) -> None: ...


def test_columns_differ_in_more_than_case() -> None:
    with refused(SameNames, "two columns of SameNames are named 'note'", mend="give one of them another name"):
        declare(SameNames)


class HiddenName(ReadModel, key="user"):
    user: UUID
    _note: str = ""

    def evolve(self, event: Joined) -> None: ...


class ForeignName(ReadModel, key="user"):
    user: UUID
    größe: int = 0

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize(("model", "name"), [(HiddenName, "_note"), (ForeignName, "größe")])
def test_a_column_has_a_plain_name(model: Any, name: str) -> None:
    with refused(model, f"{model.__name__}.{name} cannot name a column", mend="begin the field's name with a letter"):
        declare(model)


class TakenName(ReadModel, key="user"):
    user: UUID
    xmin: int = 0

    def evolve(self, event: Joined) -> None: ...


class LongField(ReadModel, key="user"):
    user: UUID
    how_often_this_member_has_been_seen_in_the_reading_room_so_far: int = 0

    def evolve(self, event: Joined) -> None: ...


class HowOftenEachMemberHasBeenSeenInTheReadingRoomSoFar(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize(
    ("model", "problem", "mend"),
    [
        (TakenName, "TakenName.xmin is a name that PostgreSQL keeps for itself", "give the field another name"),
        (LongField, "_so_far is too long for a column", "of at most 55 characters"),
        (HowOftenEachMemberHasBeenSeenInTheReadingRoomSoFar, "which is longer than 63 characters", "a shorter name"),
    ],
)
def test_names_are_such_as_every_database_takes(model: Any, problem: str, mend: str) -> None:
    with refused(model, problem, mend=mend):
        declare(model)


class Thing: ...


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class HoldsThings(ReadModel, key="user"):
    user: UUID
    thing: Thing | None = None

    def evolve(self, event: Joined) -> None: ...


class HoldsComplex(ReadModel, key="user"):
    user: UUID
    thing: list[complex] = []

    def evolve(self, event: Joined) -> None: ...


class HoldsUnion(ReadModel, key="user"):
    user: UUID
    thing: UUID | datetime | None = None

    def evolve(self, event: Joined) -> None: ...


class HoldsMixed(ReadModel, key="user"):
    user: UUID
    thing: Mixed = Mixed.ONE

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize("model", [HoldsThings, HoldsComplex, HoldsUnion, HoldsMixed])
def test_a_column_holds_what_json_can_tell(model: Any) -> None:
    with refused(model, f"{model.__name__}.thing is of a type that JSON cannot tell", mend="use types of"):
        declare(model)


class UnknownType(ReadModel, key="user"):
    user: UUID
    thing: Nobody | None = None  # type: ignore[name-defined]  # noqa: F821 # pyright: ignore

    def evolve(self, event: Joined) -> None: ...


def test_a_type_whose_name_cannot_be_resolved_is_told() -> None:
    with refused(UnknownType, "an annotation of UnknownType cannot be resolved", "Nobody", mend="define the name"):
        declare(UnknownType)


# names


class AnotherMember(ReadModel, key="user", name="Member"):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


class member(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize("model", [AnotherMember, member])
def test_two_read_models_are_not_kept_under_one_name(model: Any) -> None:
    declared = app()
    declared.read_model(Member)
    with refused(model, "read models Member and", "are both kept as 'member'", mend="give one of them another name"):
        declared.read_model(model)


class Reserved(ReadModel, key="user", name="sqlite_things"):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


class Own(ReadModel, key="user", name="TwofoldThings"):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


class Nameless(ReadModel, key="user", name="☃"):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize("model", [Reserved, Own, Nameless])
def test_some_names_are_reserved(model: Any) -> None:
    with refused(model, "the name is reserved", mend="give it another name"):
        declare(model)


def test_a_read_model_is_a_class_of_its_own_kind() -> None:
    with refused(User, "User is no read model", mend="give a subclass of ReadModel"):
        app().read_model(User)  # type: ignore[type-var] # pyright: ignore
    with pytest.raises(DeclarationError, match="5 is no read model"):
        app().read_model(5)  # type: ignore[arg-type] # pyright: ignore


# indexes


class IndexOfNoField(ReadModel, key="user", indexes=[("note", "-nosuch")]):
    user: UUID
    note: str = ""

    def evolve(self, event: Joined) -> None: ...


class IndexOfNested(ReadModel, key="user", indexes=["notes"]):
    user: UUID
    notes: list[str] = []

    def evolve(self, event: Joined) -> None: ...


class IndexOfTheKey(ReadModel, key="user", indexes=["-user"]):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


class IndexTwice(ReadModel, key="user", indexes=["note", ("note", "user")]):
    user: UUID
    note: str = ""

    def evolve(self, event: Joined) -> None: ...


class IndexWithAFieldTwice(ReadModel, key="user", indexes=[("note", "-note")]):
    user: UUID
    note: str = ""

    def evolve(self, event: Joined) -> None: ...


class IndexOfNothing(ReadModel, key="user", indexes=[()]):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize(
    ("model", "problem", "mend"),
    [
        (IndexOfNoField, "by 'nosuch', which is no field of it (fields: user, note)", "name fields"),
        (IndexOfNested, "by 'notes', a nested value", "a plain type"),
        (IndexOfTheKey, "by -user, which is the key over again", "leave it out"),
        (IndexTwice, "by note, user, which is an index that is declared before it over again", "leave it out"),
        (IndexWithAFieldTwice, "by note, note, with a field twice", "once"),
        (IndexOfNothing, "by 0 fields", "one to 8 fields"),
    ],
)
def test_an_index_is_by_fields_once(model: Any, problem: str, mend: str) -> None:
    with refused(model, f"read model {model.__name__} declares an index {problem}", mend=mend):
        declare(model)


# searches


class SearchOfNoField(ReadModel, key="user", search=["nosuch"]):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


class SearchOfNoText(ReadModel, key="user", search=["notes"]):
    user: UUID
    notes: list[str] = []

    def evolve(self, event: Joined) -> None: ...


class SearchTwice(ReadModel, key="user", search=["note", "note"]):
    user: UUID
    note: str | None = None

    def evolve(self, event: Joined) -> None: ...


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (SearchOfNoField, "of 'nosuch', which is no field of text"),
        (SearchOfNoText, "of 'notes', which is no field of text"),
        (SearchTwice, "of 'note', which is named twice"),
    ],
)
def test_a_search_is_of_fields_of_text(model: Any, problem: str) -> None:
    with refused(model, f"read model {model.__name__} declares a search {problem}", mend="name fields of type str"):
        declare(model)


# every event


class EveryEventWithoutKeys(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: Event) -> None: ...


class EveryEventWithFewerKeys(ReadModel, key="user"):
    user: UUID

    @staticmethod
    def keys(event: Joined) -> list[UUID]:
        return [event.user]

    def evolve(self, event: Event) -> None: ...


def test_a_read_model_of_every_event_tells_the_keys_of_every_event() -> None:
    with refused(EveryEventWithoutKeys, "takes every event", mend="`keys(event: Event)`"):
        declare(EveryEventWithoutKeys)
    with refused(EveryEventWithFewerKeys.keys, "keys does not take Event", mend="the same events"):
        declare(EveryEventWithFewerKeys)


# unions


class UnionThatCannotBeTold(ReadModel, key="user"):
    user: UUID
    what: date | str | None = None

    def evolve(self, event: Joined) -> None: ...


def test_a_union_can_be_told_apart_in_json() -> None:
    with refused(UnionThatCannotBeTold, "UnionThatCannotBeTold.what is of a type that JSON", mend="told apart"):
        declare(UnionThatCannotBeTold)
