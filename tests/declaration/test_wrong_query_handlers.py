"""A query handler that is declared wrongly is refused there and then, with its place and the mend."""

# mypy: disable-error-code="no-untyped-def, type-var, type-arg, arg-type, call-overload, empty-body, misc"
# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false, reportInvalidTypeArguments=false

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.declaration.parts import Clock, CountMembers, GetMember, Join, Joined, Member, User
from tests.declaration.refusals import app, refused
from twofold import Context, Query, ReadModel, View
from twofold.errors import DeclarationError

Handler = Callable[..., Any]


def no_annotation(query, members: View[Member]) -> int:
    return 1


def takes_a_command(query: Join, members: View[Member]) -> int:
    return 1


def takes_the_base(query: Query[int]) -> int:
    return 1


@pytest.mark.parametrize("handler", [no_annotation, takes_a_command, takes_the_base])
def test_the_first_parameter_is_a_query(handler: Handler) -> None:
    with refused(handler, f"{handler.__name__}: the first parameter must be the query", mend="a subclass of Query"):
        app().query(handler)


def view_without_annotation(query: CountMembers, members) -> int:
    return 1


def test_every_parameter_has_an_annotation() -> None:
    with refused(view_without_annotation, "parameter 'members' has no annotation", mend="annotate every parameter"):
        app().query(view_without_annotation)


def no_return(query: CountMembers, members: View[Member]):
    return 1


def test_the_return_annotation_is_needed() -> None:
    with refused(no_return, "no_return: the return annotation is missing", mend="the answer of a query"):
        app().query(no_return)


def asks_for_a_write_model(query: CountMembers, user: User) -> int:
    return 1


def asks_for_write_models(query: CountMembers, users: list[User]) -> int:
    return 1


def asks_for_a_read_model(query: CountMembers, member: Member) -> int:
    return 1


@pytest.mark.parametrize("handler", [asks_for_a_write_model, asks_for_write_models, asks_for_a_read_model])
def test_a_query_is_answered_from_views_alone(handler: Handler) -> None:
    with refused(handler, handler.__name__, "queries are answered from views alone", mend="ask for a view"):
        app().query(handler)


def view_of_nothing(query: CountMembers, members: View) -> int:
    return 1


def test_a_view_says_of_what_it_is() -> None:
    with refused(view_of_nothing, "parameter 'members' does not say of what it is a view", mend="`View[Profile]`"):
        app().query(view_of_nothing)


def view_of_a_write_model(query: CountMembers, users: View[User]) -> int:
    return 1


def view_of_an_event(query: CountMembers, events: View[Joined]) -> int:
    return 1


@pytest.mark.parametrize(("handler", "name"), [(view_of_a_write_model, "User"), (view_of_an_event, "Joined")])
def test_a_view_is_of_a_read_model(handler: Handler, name: str) -> None:
    with refused(handler, f"is a View of {name}, which is no read model", mend="name a subclass of ReadModel"):
        app().query(handler)


def asks_for_an_event(query: CountMembers, event: Joined) -> int:
    return 1


def asks_for_another_query(query: CountMembers, other: GetMember) -> int:
    return 1


def asks_for_context_twice(query: CountMembers, context: Context, again: Context) -> int:
    return 1


@pytest.mark.parametrize("handler", [asks_for_an_event, asks_for_another_query, asks_for_context_twice])
def test_what_cannot_be_given_is_refused(handler: Handler) -> None:
    with refused(handler, handler.__name__, "no query handler can be given", mend="ask for a View"):
        app().query(handler)


def asks_for_a_field(query: GetMember, user: bytes) -> Member | None:
    return None


def test_a_plain_value_is_no_dependency() -> None:
    with refused(asks_for_a_field, "asks for bytes", mend="read it from a field of the message"):
        app().query(asks_for_a_field)


def answers_a_text(query: CountMembers) -> str:
    return ""


def answers_nothing(query: CountMembers) -> None: ...


def answers_perhaps(query: CountMembers) -> int | None:
    return None


def answers_later(query: CountMembers) -> Iterator[int]:
    return iter(())


def answers_another(query: GetMember) -> User | None:
    return None


@pytest.mark.parametrize(
    ("handler", "found", "asked"),
    [
        (answers_a_text, "str", "int"),
        (answers_nothing, "NoneType", "int"),
        (answers_perhaps, "int | None", "int"),
        (answers_later, "Iterator", "int"),
        (answers_another, "User | None", "Member | None"),
    ],
)
def test_the_answer_is_the_one_that_the_query_asks_for(handler: Handler, found: str, asked: str) -> None:
    with refused(handler, f"{handler.__name__}: it returns", found, "asks for", asked, mend="the one in `Query[…]`"):
        app().query(handler)


def yields(query: CountMembers) -> Any:
    yield 1


async def yields_later(query: CountMembers) -> AsyncIterator[int]:
    yield 1


def test_generators_are_refused() -> None:
    with refused(yields, "yields: it is a generator", mend="return the answer"):
        app().query(yields)
    with refused(yields_later, "yields_later is an async generator", mend="collect what it yields"):
        app().query(yields_later)


def first_of_two(query: CountMembers) -> int:
    return 1


def second_of_two(query: CountMembers) -> int:
    return 2


def test_a_query_has_one_handler() -> None:
    declared, other = app(), app()
    declared.query(first_of_two)
    with refused(second_of_two, "CountMembers has a handler already, first_of_two (", __file__, mend="keep one"):
        declared.query(second_of_two)
    other.query(second_of_two)
    with refused(second_of_two, "CountMembers has a handler already, first_of_two (", mend="keep one"):
        declared.include(other)


class Keyless(ReadModel):
    user: UUID

    def evolve(self, event: Joined) -> None: ...


def views_a_wrong_model(query: CountMembers, members: View[Keyless]) -> int:
    return 1


def test_a_wrong_read_model_is_refused_where_it_is_asked_for() -> None:
    with refused(Keyless, "read model Keyless does not say which field is its key", mend='key="…"'):
        app().query(views_a_wrong_model)


def needs_a_clock(query: CountMembers, clock: Clock) -> int:
    return 1


async def open_and_close(declared: Any, *provide: Any) -> None:
    async with declared.open("memory:", provide=provide):
        pass


@pytest.mark.anyio
async def test_a_dependency_that_is_not_provided_is_told_when_the_application_is_opened() -> None:
    declared = app()
    declared.query(needs_a_clock)
    with refused(needs_a_clock, "needs_a_clock: nothing of type Clock was provided", mend="provide=[a_clock]"):
        await open_and_close(declared)
    await open_and_close(declared, Clock())


def test_a_refused_handler_is_not_declared() -> None:
    declared = app()
    for handler in (no_annotation, no_return, asks_for_a_write_model, answers_a_text):
        with pytest.raises(DeclarationError):
            declared.query(handler)
    assert declared.queries == {}
    assert declared.tables == {}
