"""A command handler that is declared wrongly is refused there and then, with its place and the mend."""

# mypy: disable-error-code="no-untyped-def, type-var, type-arg, arg-type, call-overload, empty-body"
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest

from tests.declaration.parts import (
    Clock,
    Everyone,
    GetMember,
    Invite,
    Join,
    Joined,
    Left,
    Member,
    Membership,
    Merge,
    MergeFor,
    Noted,
    Rename,
    Renamed,
    Team,
    User,
    UserId,
)
from tests.declaration.refusals import app, refused
from twofold import Command, Context, Event, View
from twofold.errors import DeclarationError

Handler = Callable[..., Any]


def no_annotation_at_all(command, user):
    return Joined(command.user)


def command_without_annotation(command, user: User) -> Joined:
    return Joined(command.user)


def command_that_is_none(command: Joined, user: User) -> Joined:
    return command


def command_that_is_a_query(command: GetMember) -> None: ...


def command_that_is_the_base(command: Command) -> None: ...


def command_that_is_a_union(command: Join | Rename) -> None: ...


def command_by_name_only(*, command: Join) -> None: ...


def nothing_to_take() -> None: ...


def model_without_annotation(command: Join, user) -> Joined:
    return Joined(command.user)


def any_number_of_models(command: Join, *users: User) -> None: ...


def any_names(command: Join, **users: User) -> None: ...


def model_in_place_only(command: Join, user: User, /) -> None: ...


def model_by_name_only(command: Join, *, user: User) -> None: ...


def no_return(command: Join, user: User):
    return Joined(command.user)


FIRST = [
    (no_annotation_at_all, "the first parameter must be the command, found nothing"),
    (command_without_annotation, "the first parameter must be the command, found nothing"),
    (command_that_is_none, "the first parameter must be the command, found Joined"),
    (command_that_is_a_query, "the first parameter must be the command, found GetMember"),
    (command_that_is_the_base, "the first parameter must be the command, found Command"),
    (command_that_is_a_union, "the first parameter must be the command, found"),
    (command_by_name_only, "the first parameter must be the command, found nothing"),
    (nothing_to_take, "the first parameter must be the command, found nothing"),
]


@pytest.mark.parametrize(("handler", "what"), FIRST)
def test_the_first_parameter_is_a_command(handler: Handler, what: str) -> None:
    with refused(handler, f"{handler.__name__}: {what}", mend="annotate it with a subclass of Command"):
        app().command(handler)


@pytest.mark.parametrize(
    "handler", [model_without_annotation, any_number_of_models, any_names, model_in_place_only, model_by_name_only]
)
def test_every_parameter_has_an_annotation_and_a_name(handler: Handler) -> None:
    with refused(handler, handler.__name__, "parameter 'user", "no annotation", mend="annotate every parameter"):
        app().command(handler)


def test_the_return_annotation_is_needed() -> None:
    with refused(no_return, "no_return: the return annotation is missing", mend="say what it returns"):
        app().command(no_return)


def asks_for_a_view(command: Join, members: View[Member]) -> None: ...


def asks_for_any_view(command: Join, members: View) -> None: ...


def asks_for_a_read_model(command: Join, member: Member) -> None: ...


@pytest.mark.parametrize("handler", [asks_for_a_view, asks_for_any_view, asks_for_a_read_model])
def test_the_read_side_is_beyond_the_wall(handler: Handler) -> None:
    with refused(handler, handler.__name__, "asks for the read side", mend="ask for a WriteModel"):
        app().command(handler)


def asks_for_any_many(command: Join, users: Iterable[User]) -> None: ...


def asks_for_a_list_of_texts(command: Join, users: list[str]) -> None: ...


def asks_for_perhaps(command: Join, user: User | None) -> None: ...


def asks_for_an_event(command: Join, event: Joined) -> None: ...


def asks_for_another_command(command: Join, other: Rename) -> None: ...


def asks_for_context_twice(command: Join, context: Context, again: Context) -> None: ...


def asks_for_anything(command: Join, thing: Any) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [
        asks_for_any_many,
        asks_for_a_list_of_texts,
        asks_for_perhaps,
        asks_for_an_event,
        asks_for_another_command,
        asks_for_context_twice,
    ],
)
def test_what_cannot_be_given_is_refused(handler: Handler) -> None:
    with refused(handler, handler.__name__, "no command handler can be given", mend="ask for a WriteModel"):
        app().command(handler)


def asks_for_a_field(command: Join, note: str) -> None: ...


def asks_for_a_number(command: Join, limit: int = 5) -> None: ...


@pytest.mark.parametrize(
    ("handler", "name"), [(asks_for_a_field, "str"), (asks_for_a_number, "int"), (asks_for_anything, "Any")]
)
def test_a_plain_value_is_no_dependency(handler: Handler, name: str) -> None:
    with refused(handler, handler.__name__, f"asks for {name}", mend="read it from a field of the message"):
        app().command(handler)


def team_of_a_join(command: Join, team: Team) -> None: ...


def user_of_a_rename(command: Rename, user: User) -> None: ...


def test_the_command_carries_the_models_tag() -> None:
    with refused(
        team_of_a_join,
        "team_of_a_join: Team is loaded by tag 'team', which Join does not carry (it carries: user)",
        mend='tag a field of Join: `Annotated[UUID, Tag("team")]`',
    ):
        app().command(team_of_a_join)


def test_a_command_without_any_tag_is_told_so() -> None:
    class Silent(Command):
        note: str

    def of_silent(command: Silent, user: User) -> None: ...

    with refused(of_silent, "which Silent does not carry (it carries: no tag)", mend="tag a field of Silent"):
        app().command(of_silent)


def named_after_no_field(command: Merge, team: Team) -> None: ...


def one_named_after_no_field(command: Merge, source: Team, other: Team) -> None: ...


@pytest.mark.parametrize(("handler", "name"), [(named_after_no_field, "team"), (one_named_after_no_field, "other")])
def test_two_fields_of_one_tag_are_told_apart_by_name(handler: Handler, name: str) -> None:
    with refused(
        handler,
        f"Merge has several fields with tag 'team' (source, target), and parameter {name!r} is named after none",
        mend="name the parameter after its field: `source: Team`",
    ):
        app().command(handler)


def asks_for_many(command: Join, users: list[User]) -> None: ...


def asks_for_many_untagged(command: Invite, everyone: list[Everyone]) -> None: ...


@pytest.mark.parametrize(("handler", "model"), [(asks_for_many, "User"), (asks_for_many_untagged, "Everyone")])
def test_a_list_is_asked_for_where_there_may_be_several(handler: Handler, model: str) -> None:
    command = handler.__annotations__["command"]
    with refused(
        handler,
        f"asks for a list, and {command} names one {model}",
        mend=f"ask for that one: `{'users' if model == 'User' else 'everyone'}: {model}`",
    ):
        app().command(handler)


def asks_for_one_of_many(command: Invite, user: User) -> None: ...


class InviteBy(Invite):
    host: UserId


def asks_for_one_by_the_name_of_many(command: InviteBy, users: User) -> None: ...


@pytest.mark.parametrize("handler", [asks_for_one_of_many, asks_for_one_by_the_name_of_many])
def test_one_is_asked_for_where_there_is_one(handler: Handler) -> None:
    with refused(handler, "users has many values of tag 'user', and", mend="ask for a list: `users: list[User]`"):
        app().command(handler)


def member_of_a_join(command: Join, membership: Membership) -> None: ...


def member_of_a_merge(command: MergeFor, membership: Membership) -> None: ...


def test_the_command_carries_all_tags_of_a_model() -> None:
    with refused(
        member_of_a_join,
        "Membership is loaded by tag 'team', which Join does not carry (it carries: user)",
        mend="tag a field of Join",
    ):
        app().command(member_of_a_join)


def test_two_fields_of_one_of_its_tags_are_told_apart_by_name() -> None:
    with refused(
        member_of_a_merge,
        "MergeFor has several fields with tag 'team' (source, target), and parameter 'membership' is named after none",
        mend="name the parameter after its field: `source: Membership`",
    ):
        app().command(member_of_a_merge)


def returns_a_text(command: Join) -> str:
    return ""


def returns_any_event(command: Join) -> Event:
    return Joined(command.user)


def returns_a_command(command: Join) -> Rename: ...


def returns_anything(command: Join) -> Any: ...


def returns_a_bare_list(command: Join) -> list: ...


def returns_a_list_of_texts(command: Join) -> list[str]: ...


def returns_an_event_and_a_text(command: Join) -> Joined | str: ...


def returns_a_mapping(command: Join) -> dict[str, Joined]: ...


def returns_gaps(command: Join) -> list[Joined | None]: ...


def returns_an_awaitable(command: Join) -> Awaitable[Joined]: ...


RETURNS = [
    (returns_a_text, "str"),
    (returns_any_event, "Event"),
    (returns_a_command, "Rename"),
    (returns_anything, "Any"),
    (returns_a_bare_list, "list"),
    (returns_a_list_of_texts, "str"),
    (returns_an_event_and_a_text, "str"),
    (returns_a_mapping, "str"),
    (returns_gaps, "NoneType"),
    (returns_an_awaitable, "Awaitable"),
]


@pytest.mark.parametrize(("handler", "name"), RETURNS)
def test_events_alone_are_returned(handler: Handler, name: str) -> None:
    with refused(handler, f"return annotation names {name}, which is no event", mend="return events only"):
        app().command(handler)


async def yields_later(command: Join, user: User) -> AsyncIterator[Joined]:
    yield Joined(command.user)


def test_an_async_generator_is_refused() -> None:
    with refused(yields_later, "yields_later is an async generator", mend="collect what it yields in a list"):
        app().command(yields_later)


class Callable_:
    def __call__(self, command: Join) -> None: ...


def plain(command: Join) -> None: ...


@pytest.mark.parametrize(
    ("handler", "place", "name"),
    [(Callable_(), Callable_, "class Callable_"), (functools.partial(plain), plain, "class partial")],
)
def test_a_handler_is_a_function(handler: Any, place: Any, name: str) -> None:
    with refused(place, name, "is no function", mend="declare it with def or async def"):
        app().command(handler)


def test_a_class_is_no_handler() -> None:
    with pytest.raises(DeclarationError, match="User is no function"):
        app().command(User)


def unknown_name(command: Join, user: Nobody) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def test_a_name_that_cannot_be_resolved_is_told() -> None:
    with refused(unknown_name, "unknown_name", "name 'Nobody' is not defined", mend="import the name"):
        app().command(unknown_name)


def first_of_two(command: Join) -> Joined: ...


def second_of_two(command: Join) -> Left: ...


def test_a_command_has_one_handler() -> None:
    declared = app()
    declared.command(first_of_two)
    with refused(
        second_of_two, "second_of_two: Join has a handler already, first_of_two (", __file__, mend="keep one handler"
    ):
        declared.command(second_of_two)
    assert declared.commands[Join].signature.function is first_of_two


def test_a_command_has_one_handler_among_included_applications() -> None:
    one, other = app(), app()
    one.command(first_of_two)
    other.command(second_of_two)
    with refused(second_of_two, "Join has a handler already, first_of_two", mend="keep one handler"):
        one.include(other)


def needs_a_clock(command: Rename, clock: Clock, team: Team) -> Renamed: ...


def test_a_dependency_that_is_not_provided_is_told_when_the_application_is_opened() -> None:
    declared = app()
    declared.command(needs_a_clock)
    with refused(needs_a_clock, "needs_a_clock: nothing of type Clock was provided", mend="provide=[a_clock]"):
        declared.open("memory:")
    declared.open("memory:", provide=[Clock()])


def returns_many(command: Join, user: User) -> Iterable[Joined | Noted]: ...


def test_a_refused_handler_is_not_declared() -> None:
    declared = app()
    for handler, _ in (*FIRST, *RETURNS):
        with pytest.raises(DeclarationError):
            declared.command(handler)
    assert declared.commands == {}
    declared.command(returns_many)
    assert set(declared.events) == {Joined, Left, Noted}
