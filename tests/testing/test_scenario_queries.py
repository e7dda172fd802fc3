"""Scenarios that ask: read models are projected from what was given, and queries answered from them."""

from typing import Any

import pytest

from tests.testing.bank import (
    Auditor,
    Balance,
    Deposited,
    Fail,
    GetBalance,
    OpenAccount,
    Opened,
    Report,
    Richest,
    Withdrawn,
    app,
)
from twofold import Query
from twofold.testing import scenario

BEFORE = (Opened("a"), Opened("b"), Deposited("a", 10), Withdrawn("a", 3), Deposited("b", 2))


class Unknown(Query[int]):
    pass


def test_a_query_is_answered_from_what_was_given() -> None:
    scenario(app).given(*BEFORE).ask(GetBalance("a")).answers(Balance("a", 7, "", [10, -3]))
    scenario(app).given(*BEFORE).ask(GetBalance("c")).answers(None)


def test_sql_and_order_work_as_in_a_node() -> None:
    story = scenario(app).given(*BEFORE)
    story.ask(Richest()).answers(["a", "b"]).ask(Richest(3)).answers(["a"])


def test_read_models_are_built_where_nothing_was_given() -> None:
    scenario(app).ask(Richest()).answers([])


def test_a_query_sees_what_a_command_decided() -> None:
    scenario(app).when(OpenAccount("a")).then(Opened("a")).ask(GetBalance("a")).answers(Balance("a"))


def test_read_models_see_the_principal_of_the_given_events() -> None:
    story = scenario(app).by("ada").given(Opened("a")).by("eva")
    story.ask(GetBalance("a")).answers(Balance("a", 0, "ada"))


def test_dependencies_and_context_are_given_to_query_handlers() -> None:
    story = scenario(app, provide=[Auditor()]).given(*BEFORE).by("eva")
    story.ask(Report("a")).answers("a is in order, 7, eva")
    with pytest.raises(AssertionError, match=r"Auditor was provided\n  mend: .* scenario\(app, provide="):
        scenario(app).ask(Report("a"))


def test_another_answer_is_told_field_by_field() -> None:
    with pytest.raises(AssertionError) as failed:
        scenario(app).given(*BEFORE).ask(GetBalance("a")).answers(Balance("a", 7, "", [10, 3]))
    assert "get_balance (" in str(failed.value)
    assert "  ask    GetBalance(account='a')" in str(failed.value)
    assert "    history[1]\n      expected  3\n      found     -3" in str(failed.value)
    assert "amount" not in str(failed.value).partition("ask ")[2]


def test_a_missing_and_an_additional_row_are_told() -> None:
    found = scenario(app).given(*BEFORE).ask(Richest())
    with pytest.raises(AssertionError, match=r"\[1\]\n      expected  nothing\n      found     'b'"):
        found.answers(["a"])
    with pytest.raises(AssertionError, match=r"\[2\]\n      expected  'c'\n      found     nothing"):
        found.answers(["a", "b", "c"])


def test_an_answer_of_another_type_is_told_whole() -> None:
    with pytest.raises(AssertionError, match=r"expected  Balance\(.*\n  found     None"):
        scenario(app).ask(GetBalance("a")).answers(Balance("a"))


def test_a_query_handler_that_raises_fails_and_keeps_the_cause() -> None:
    with pytest.raises(AssertionError, match=r"fail .* raised ZeroDivisionError: by hand") as failed:
        scenario(app).ask(Fail())
    assert isinstance(failed.value.__cause__, ZeroDivisionError)


def test_an_event_that_a_read_model_cannot_take_fails_and_keeps_the_cause() -> None:
    with pytest.raises(AssertionError, match=r"Balance could not take Withdrawn\(.*robbed") as failed:
        scenario(app).given(Opened("a"), Withdrawn("a", 2_000), Deposited("a", 1)).ask(GetBalance("a"))
    assert isinstance(failed.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("query", "problem"),
    [(GetBalance(1), "account: Expected `str`, got `int`"), (Unknown(), "no handler takes Unknown")],  # type: ignore[arg-type]
)
def test_a_query_that_does_not_validate_or_has_no_handler_fails(query: Query[Any], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        scenario(app).ask(query)


@pytest.mark.anyio
async def test_a_query_is_asked_inside_an_async_test() -> None:
    scenario(app).given(*BEFORE).ask(Richest(100)).answers([])
