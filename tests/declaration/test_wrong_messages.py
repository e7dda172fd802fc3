"""A message that is declared wrongly is refused where a handler names it."""

from __future__ import annotations

import types
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import pytest

from tests.declaration.parts import Join, Joined, Left, Rename, User
from tests.declaration.refusals import app, refused
from twofold import App, Command, Event, Hashed, Query, ReadModel, Tag, WriteModel


class Thing: ...


def take(declared: App, command: Any, *, returns: Any = None, model: Any = None) -> None:
    """Declare a command handler that names these classes."""

    def alone(command: Any) -> None: ...

    def with_model(command: Any, model: Any) -> None: ...

    handler: Any = alone if model is None else with_model
    handler.__annotations__ = {"command": command, "model": model, "return": returns}
    declared.command(handler)


# names


class AnotherJoin(Command, name="Join"):
    user: UUID


class JoinedAnew(Event, name="Joined"):
    user: UUID


class JoinQuery(Query[int], name="Join"):
    pass


class EventNamedAsACommand(Event, name="Join"):
    user: Annotated[UUID, Tag("user")]


class FoldsOtherJoined(WriteModel, tag="user"):
    def evolve(self, event: EventNamedAsACommand) -> None: ...


class KeepsOtherJoined(ReadModel, key="user"):
    user: UUID

    def evolve(self, event: JoinedAnew) -> None: ...


def test_two_commands_have_two_names() -> None:
    declared = app()
    take(declared, Join)
    with refused(AnotherJoin, "two messages are named 'Join'", "parts.Join", mend="class AnotherJoin(…, name="):
        take(declared, AnotherJoin)


def test_two_events_have_two_names() -> None:
    declared = app()
    take(declared, Join, returns=Joined)
    with refused(JoinedAnew, "two messages are named 'Joined'", mend="give one of them another name"):
        take(declared, Rename, returns=JoinedAnew)


def test_a_query_and_a_command_have_two_names() -> None:
    declared = app()
    take(declared, Join)

    def handler(query: Any) -> int:
        return 1

    handler.__annotations__ = {"query": JoinQuery, "return": int}
    with refused(JoinQuery, "two messages are named 'Join'", mend="give one of them another name"):
        declared.query(handler)


def test_an_event_that_a_read_model_takes_has_a_name_of_its_own() -> None:
    declared = app()
    take(declared, Join, returns=Joined)
    with refused(JoinedAnew, "two messages are named 'Joined'", mend="give one of them another name"):
        declared.read_model(KeepsOtherJoined)


class Join2(Command):
    user: Annotated[UUID, Tag("user")]


def test_an_event_that_a_write_model_takes_has_a_name_of_its_own() -> None:
    declared = app()
    take(declared, Join)
    with refused(EventNamedAsACommand, "two messages are named 'Join'", mend="give one of them another name"):
        take(declared, Join2, model=FoldsOtherJoined)


def test_included_applications_have_messages_of_different_names() -> None:
    one, other = app(), app()
    take(one, Join)
    take(other, AnotherJoin)
    with refused(AnotherJoin, "two messages are named 'Join'", mend="give one of them another name"):
        one.include(other)


# types


class HoldsThings(Command):
    thing: Thing


class HoldsUnion(Command):
    thing: UUID | datetime


class ReportsThings(Event):
    thing: complex


class AsksThings(Query[int]):
    thing: list[Thing]


def test_a_field_holds_what_json_can_tell() -> None:
    for command in (HoldsThings, HoldsUnion):
        with refused(command, f"{command.__name__}.thing is of a type that JSON cannot tell", mend="use types of"):
            take(app(), command)
    with refused(ReportsThings, "ReportsThings.thing is of a type that JSON cannot tell", mend="use types of"):
        take(app(), Join, returns=ReportsThings)

    def handler(query: Any) -> int:
        return 1

    handler.__annotations__ = {"query": AsksThings, "return": int}
    with refused(AsksThings, "AsksThings.thing is of a type that JSON cannot tell", mend="use types of"):
        app().query(handler)


class UnknownField(Command):
    thing: Nobody  # type: ignore[name-defined]  # noqa: F821 # pyright: ignore


def test_a_type_whose_name_cannot_be_resolved_is_told() -> None:
    with refused(UnknownField, "an annotation of UnknownField cannot be resolved", "Nobody", mend="define the name"):
        take(app(), UnknownField)


class TaggedNumber(Command):
    user: Annotated[float, Tag("user")]


class TaggedEvent(Event):
    user: Annotated[datetime, Tag("user")]


def test_a_tag_is_on_a_field_that_makes_one() -> None:
    with refused(TaggedNumber, "TaggedNumber.user carries a tag but is of type float", mend="of type UUID, str"):
        take(app(), TaggedNumber, model=User)
    with refused(TaggedNumber, "TaggedNumber.user carries a tag but is of type float", mend="of type UUID, str"):
        take(app(), TaggedNumber)
    with refused(TaggedEvent, "TaggedEvent.user carries a tag but is of type datetime", mend="of type UUID, str"):
        take(app(), Join, returns=TaggedEvent)


@pytest.mark.parametrize("wrong", [{"nosuch": 1}, {"tags": "user"}])
def test_an_unknown_argument_of_a_class_is_refused(wrong: dict[str, Any]) -> None:
    bases: list[Any] = [Command, Event, WriteModel, ReadModel]
    for base in bases:
        with pytest.raises(TypeError, match="keyword argument"):
            types.new_class("Wrong", (base,), wrong)


def test_a_refused_message_is_no_event_of_the_application() -> None:
    declared = app()
    take(declared, Join, returns=Joined | Left)
    assert set(declared.events) == {Joined, Left}


# hashed tags

EMAIL = Tag("email", hashed=True)


class SignUp(Command):
    email: Annotated[str, EMAIL]


class OpenlySignedUp(Event):
    email: Annotated[str, Tag("email")]


class OtherwiseSignedUp(Event):
    email: Annotated[str, Tag("email", hashed=True, key=b"a key of its own")]


@pytest.mark.parametrize(
    ("event", "word"), [(OpenlySignedUp, "Tag('email')"), (OtherwiseSignedUp, "Tag('email', hashed=True, key=…)")]
)
def test_a_tag_is_hashed_in_one_way_everywhere(event: Any, word: str) -> None:
    with refused(
        event, f"{event.__name__} has {word}, SignUp has Tag('email', hashed=True)", mend="declare the type once"
    ):
        take(app(), SignUp, returns=event)


class SignUpElsewhere(Command):
    email: Annotated[str, Tag("email", hashed=True, key=b"yet another key!")]


def test_two_keys_of_one_tag_are_told_without_showing_them() -> None:
    with refused(OtherwiseSignedUp, "with another key", mend="declare the type once") as caught:
        take(app(), SignUpElsewhere, returns=OtherwiseSignedUp)
    assert "own" not in str(caught.value)


class HoldsAHashOfNothing(Event):
    email: Annotated[Hashed, Tag("user")]


class HoldsAHashOrAnAddress(Event):
    email: Annotated[Hashed | int, EMAIL]


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (HoldsAHashOfNothing, "email holds a hash, but tag 'user' is not hashed"),
        (HoldsAHashOrAnAddress, "email holds a hash, or else a value"),
    ],
)
def test_a_field_of_hashes_carries_a_hashed_tag(event: Any, what: str) -> None:
    with refused(event, what, mend="annotate it with `Annotated[Hashed, Tag("):
        take(app(), Join, returns=event)
