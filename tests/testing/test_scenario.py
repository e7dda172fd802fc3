"""Scenarios: what they let pass and what they catch."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from tests.testing.bank import (
    Account,
    Audit,
    Audited,
    Auditor,
    Broken,
    CloseAccount,
    Closed,
    Deposited,
    Misbehave,
    OpenAccount,
    Opened,
    Transfer,
    Withdrawn,
    app,
)
from twofold import Command, Context, Event, Principal, Rejected
from twofold.testing import scenario

BEFORE = (Opened("a"), Opened("b"), Deposited("a", 10))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Unknown(Command):
    pass


class Foreign(Event):
    pass


def test_a_decision_is_compared_with_its_event() -> None:
    scenario(app).when(OpenAccount("a")).then(Opened("a"))


def test_several_events_are_compared_in_order() -> None:
    outcome = scenario(app).given(*BEFORE).when(Transfer("a", "b", 7))
    outcome.then(Withdrawn("a", 7), Deposited("b", 7))
    with pytest.raises(AssertionError, match="did not decide as expected"):
        outcome.then(Deposited("b", 7), Withdrawn("a", 7))


def test_no_event_is_expected_by_then_without_arguments() -> None:
    scenario(app).given(Opened("a")).when(OpenAccount("a")).then()


def test_an_event_where_none_is_expected_fails() -> None:
    with pytest.raises(AssertionError, match=r"expected  no event\n  found     Opened\(account='a'\)"):
        scenario(app).when(OpenAccount("a")).then()


def test_no_event_where_one_is_expected_fails() -> None:
    with pytest.raises(AssertionError, match=r"expected  Opened\(account='a'\)\n  found     no event"):
        scenario(app).given(Opened("a")).when(OpenAccount("a")).then(Opened("a"))


def test_a_rejection_is_compared_by_its_code() -> None:
    outcome = scenario(app).given(*BEFORE).when(Transfer("a", "b", 11))
    outcome.then(Rejected("too_little"))
    outcome.then(Rejected("too_little", "a holds 10"))
    with pytest.raises(AssertionError, match=r"expected  Rejected\('account_closed'\)"):
        outcome.then(Rejected("account_closed"))
    with pytest.raises(AssertionError, match="a holds 11"):
        outcome.then(Rejected("too_little", "a holds 11"))


def test_facts_of_a_rejection_are_compared_where_some_are_expected() -> None:
    outcome = scenario(app).given(*BEFORE).when(Transfer("a", "b", 11))
    outcome.then(Rejected("too_little", balance=10))
    with pytest.raises(AssertionError, match=r"\['balance'\]\n      expected  9\n      found     10"):
        outcome.then(Rejected("too_little", balance=9))


def test_a_rejection_where_events_are_expected_fails_and_the_other_way_round() -> None:
    with pytest.raises(AssertionError, match=r"expected  no event\n  found     Rejected\('account_closed'\)"):
        scenario(app).when(Transfer("a", "b", 1)).then()
    with pytest.raises(AssertionError, match=r"expected  Rejected\('no'\)\n  found     Opened"):
        scenario(app).when(OpenAccount("a")).then(Rejected("no"))


def test_then_refuses_what_is_neither_events_nor_one_rejection() -> None:
    outcome = scenario(app).when(OpenAccount("a"))
    with pytest.raises(TypeError, match="events, or one Rejected"):
        outcome.then(Opened("a"), Rejected("no"))
    with pytest.raises(TypeError, match="events, or one Rejected"):
        outcome.then("opened")  # type: ignore[arg-type]


def test_events_of_another_type_are_listed_whole() -> None:
    with pytest.raises(AssertionError) as failed:
        scenario(app).given(*BEFORE).when(Transfer("a", "b", 7)).then(Withdrawn("a", 7))
    assert "expected  Withdrawn(account='a', amount=7)" in str(failed.value)
    assert "found     2 events\n    1. Withdrawn(account='a', amount=7)\n    2. Deposited(" in str(failed.value)


def test_a_difference_is_told_field_by_field_with_the_story() -> None:
    with pytest.raises(AssertionError) as failed:
        scenario(app).given(*BEFORE).when(Transfer("a", "b", 7)).then(Withdrawn("a", 7), Deposited("b", 8))
    text = str(failed.value)
    assert text.startswith("transfer (")
    assert "bank.py:" in text
    assert "  given  Opened(account='a')\n         Opened(account='b')\n" in text
    assert "  when   Transfer(source='a', target='b', amount=7)" in text
    assert "  event 2, Deposited\n    amount\n      expected  8\n      found     7" in text
    assert "event 1" not in text


def test_what_was_decided_can_be_looked_at() -> None:
    assert scenario(app).when(OpenAccount("a")).events == (Opened("a"),)
    rejection = scenario(app).when(Transfer("a", "b", 1)).rejection
    assert rejection is not None
    assert rejection.code == "account_closed"


def test_a_scenario_goes_on_from_what_was_decided() -> None:
    (
        scenario(app)
        .when(OpenAccount("a")).then(Opened("a"))
        .when(OpenAccount("b")).then(Opened("b"))
        .when(Transfer("a", "b", 1)).then(Rejected("too_little"))
        .given(Deposited("a", 1))
        .when(Transfer("a", "b", 1)).then(Withdrawn("a", 1), Deposited("b", 1))
        .when(Transfer("a", "b", 1)).then(Rejected("too_little"))
    )  # fmt: skip


def test_one_scenario_may_begin_several() -> None:
    start = scenario(app).given(Opened("a"))
    start.given(Opened("b"), Deposited("a", 1)).when(Transfer("a", "b", 1)).then(Withdrawn("a", 1), Deposited("b", 1))
    start.when(Transfer("a", "b", 1)).then(Rejected("account_closed"))


def test_models_are_loaded_by_their_own_tag() -> None:
    scenario(app).given(Opened("a"), Opened("b"), Deposited("b", 5)).when(Transfer("a", "b", 5)).then(
        Rejected("too_little", "a holds 0")
    )


def test_context_has_the_scenarios_time_and_principal() -> None:
    story = scenario(app).given(Opened("a"))
    story.at(NOON).by("ada").when(CloseAccount("a")).then(Closed("a", "ada", NOON))
    story.by(Principal("eva", frozenset({"close"}))).at(NOON).when(CloseAccount("a")).then(Closed("a", "eva", NOON))


def test_context_is_the_same_in_every_run() -> None:
    first, second = (scenario(app).given(Opened("a")).when(CloseAccount("a")).events for _ in range(2))
    assert first == second


def test_a_time_without_zone_is_refused_and_other_zones_are_taken() -> None:
    with pytest.raises(ValueError, match="zone"):
        scenario(app).at(datetime(2026, 1, 1))
    local = NOON.astimezone(timezone(timedelta(hours=5)))
    scenario(app).given(Opened("a")).at(local).when(CloseAccount("a")).then(Closed("a", "", NOON))


def test_an_async_handler_is_given_its_dependency_and_metadata_of_the_given_events() -> None:
    told = scenario(app, provide=[Auditor()]).given(Opened("a")).at(NOON).given(Deposited("a", 1))
    told.at(NOON + timedelta(days=1)).when(Audit("a")).then(Audited("a", "a is in order", NOON))


@pytest.mark.anyio
async def test_a_scenario_runs_inside_an_async_test() -> None:
    scenario(app, provide=[Auditor()]).when(Audit("a")).then(Audited("a", "a is in order", None))


def test_a_missing_dependency_is_named_with_the_mend() -> None:
    with pytest.raises(AssertionError, match=r"Auditor was provided\n  mend: .* scenario\(app, provide="):
        scenario(app).when(Audit("a"))


@pytest.mark.parametrize("how", ["mutate", "mutate, then reject"])
def test_a_handler_that_changes_a_write_model_fails(how: str) -> None:
    with pytest.raises(AssertionError, match=r"misbehave .* changed a write model.*Account\.balance was 10 and is 11"):
        scenario(app).given(*BEFORE).when(Misbehave("a", how))


def test_a_handler_that_raises_something_unexpected_fails_and_shows_it() -> None:
    with pytest.raises(AssertionError, match="raised ZeroDivisionError: by hand") as failed:
        scenario(app).when(Misbehave("a", "raise"))
    assert isinstance(failed.value.__cause__, ZeroDivisionError)


def test_an_event_that_the_annotation_does_not_announce_fails() -> None:
    with pytest.raises(AssertionError, match="it returned Closed, its annotation allows Opened, Deposited"):
        scenario(app).when(Misbehave("a", "return what is not announced"))


def test_a_returned_event_that_does_not_validate_fails() -> None:
    with pytest.raises(
        AssertionError, match=r"returned event Deposited\(.*could not be stored.*amount: Expected `int`"
    ):
        scenario(app).when(Misbehave("a", "return what does not validate"))


def test_a_returned_event_that_evolve_cannot_take_fails() -> None:
    with pytest.raises(AssertionError, match=r"Account\.evolve could not take Broken\(.*nobody can take this"):
        scenario(app).when(Misbehave("a", "return what evolve cannot take"))


def test_a_given_event_that_evolve_cannot_take_fails_and_keeps_the_cause() -> None:
    with pytest.raises(AssertionError, match=r"Account\.evolve could not take Broken") as failed:
        scenario(app).given(Broken("a")).when(OpenAccount("a"))
    assert isinstance(failed.value.__cause__, LookupError)


def test_a_given_event_that_does_not_validate_fails() -> None:
    with pytest.raises(AssertionError, match=r"the given event .* could not be stored: Deposited: amount: "):
        scenario(app).given(Deposited("a", 2**70)).when(OpenAccount("a"))


def test_a_given_event_that_the_application_does_not_know_fails() -> None:
    with pytest.raises(AssertionError, match="the given event Foreign is none that"):
        scenario(app).given(Foreign()).when(OpenAccount("a"))


def test_given_takes_events_alone() -> None:
    with pytest.raises(TypeError, match="given\\(\\) takes events"):
        scenario(app).given(OpenAccount("a"))  # type: ignore[arg-type]


def test_a_command_that_does_not_validate_fails() -> None:
    with pytest.raises(AssertionError, match="refused before it is decided: Transfer: amount: Expected `int`"):
        scenario(app).when(Transfer("a", "b", "1"))  # type: ignore[arg-type]


def test_a_command_whose_tag_is_empty_fails() -> None:
    with pytest.raises(
        AssertionError, match="refused before it is decided: OpenAccount: account: expected 1 to 512 characters"
    ):
        scenario(app).when(OpenAccount(""))


def test_a_command_without_handler_fails_and_the_known_ones_are_named() -> None:
    with pytest.raises(AssertionError, match=r"no handler takes Unknown; .*Audit, CloseAccount"):
        scenario(app).when(Unknown())


def test_a_command_id_may_be_chosen() -> None:
    found: list[UUID | None] = []
    chosen = UUID(int=99)

    from twofold import App

    tracing = App("tracing")

    @tracing.command
    def trace(command: Unknown, context: Context) -> None:
        found.append(context.command_id)

    scenario(tracing).when(Unknown(), command_id=chosen).then()
    scenario(tracing).when(Unknown()).then()
    assert found == [chosen, UUID(int=1)]


def test_a_model_whose_fields_do_not_compare_by_value_does_not_count_as_changed() -> None:
    from twofold import App

    class Odd(Account, tag="account"):
        thing: object = object()
        number: float = float("nan")

    odd = App("odd")

    @odd.command
    def look(command: OpenAccount, account: Odd) -> Opened:
        return Opened(command.account)

    scenario(odd).when(OpenAccount("a")).then(Opened("a"))
