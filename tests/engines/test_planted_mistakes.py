"""The suite of histories finds what it is there for: each planted mistake makes the test that is meant for it fail."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.engines import ledger_mistakes as misentered
from tests.engines import mistakes as wrong
from tests.engines import reading_mistakes as misread
from tests.engines.plain import PlainHistory, plain_engine
from twofold.engines.memory import MemoryHistory
from twofold.testing.contracts import Engine, HistoryContract, HistoryEngine
from twofold.testing.contracts.history_conditions import CONFLICTS, NO_CONFLICTS
from twofold.testing.contracts.history_ledger import SEARCHES
from twofold.testing.contracts.history_reading import PAYLOADS, SELECTIONS
from twofold.testing.contracts.reference import Reference

pytestmark = pytest.mark.anyio

Suite = HistoryContract
Given = dict[str, Any]

WITHIN = Suite.test_reads_after_and_until_and_up_to_a_limit
CONFLICTING = Suite.test_conflicts_with_an_event_selected_by
FREE = Suite.test_does_not_conflict_with_an_event_by
ENTERED = Suite.test_every_entry_tells_all_that_is_known_of_its_command
FOUND = Suite.test_entries_are_found_by
LINKED = Suite.test_correlation_and_causation_are_the_commands_own_id_unless_given


def conflict(case: str) -> Given:
    return dict(zip(("happened", "boundary"), CONFLICTS[case], strict=True))


def no_conflict(case: str) -> Given:
    return dict(zip(("happened", "boundary"), NO_CONFLICTS[case], strict=True))


def entries(case: str) -> Given:
    return {"search": SEARCHES[case]}


def reading(case: str) -> Given:
    return dict(zip(("selection", "expected"), SELECTIONS[case], strict=True))


DECISIONS: list[tuple[type[Reference], Callable[..., Any], Given]] = [
    (wrong.NoConditions, CONFLICTING, conflict("its tag")),
    (wrong.NoConditions, Suite.test_of_two_decisions_on_the_same_state_the_second_conflicts, {}),
    (wrong.NoConditions, Suite.test_of_many_conflicting_appends_exactly_one_succeeds, {}),
    (wrong.FirstCriterionOnly, CONFLICTING, conflict("the second of several criteria")),
    (wrong.FirstTagOnly, FREE, no_conflict("one of its tags and one that it lacks")),
    (wrong.TypesIgnored, FREE, no_conflict("its tag but another type")),
    (wrong.TypesIgnored, FREE, no_conflict("another type alone")),
    (wrong.TagsOnly, CONFLICTING, conflict("its type alone")),
    (wrong.TagsOnly, CONFLICTING, conflict("everything")),
    (wrong.FirstTypeOnly, CONFLICTING, conflict("its tag and one of its types")),
    (wrong.FirstTypeOnly, CONFLICTING, conflict("one of its types alone")),
    (wrong.AnyCase, FREE, no_conflict("a tag of another case")),
    (wrong.TagPrefix, FREE, no_conflict("a shorter tag")),
    (wrong.LastEventOnly, Suite.test_any_later_event_counts_not_only_the_last, {}),
    (wrong.PositionCounts, Suite.test_events_up_to_the_position_do_not_count_for, conflict("its tag")),
    (wrong.OwnEventsCount, Suite.test_the_decisions_own_events_do_not_count, {}),
    (wrong.RejectionsUnconditional, Suite.test_a_rejection_stands_only_if_its_condition_does, {}),
    (wrong.AllSeen, Suite.test_an_earlier_one_that_was_not_seen_conflicts, {}),
    (wrong.AllSeen, Suite.test_seen_counts_from_the_beginning_of_the_batch, {}),
    (wrong.AllSeen, Suite.test_a_long_batch_is_answered_one_by_one, {}),
    (wrong.OnePositionForAll, Suite.test_each_decision_of_a_batch_has_a_position_of_its_own, {}),
    (wrong.NoneSeen, Suite.test_a_decision_may_rest_on_one_before_it_that_it_had_seen, {}),
    (wrong.NoCascade, Suite.test_what_rests_on_a_failed_one_fails_too_down_the_line, {}),
    (wrong.NoCascade, Suite.test_what_rests_on_the_events_of_a_duplicate_fails, {}),
    (wrong.CascadeOfAll, Suite.test_a_failed_one_that_was_seen_does_not_matter_where_it_is_not_selected, {}),
    (wrong.CascadeOfUnseen, Suite.test_a_failed_one_that_was_not_seen_does_not_matter, {}),
    (wrong.CascadeWithoutDuplicates, Suite.test_what_rests_on_the_events_of_a_duplicate_fails, {}),
    (wrong.BatchInsteadOfHistory, Suite.test_the_stored_history_counts_whatever_was_seen_in_the_batch, {}),
    (wrong.NoLedger, Suite.test_a_repeat_gets_the_first_position_and_stores_nothing, {}),
    (wrong.NoLedger, Suite.test_of_one_command_sent_many_times_at_once_one_is_decided, {}),
    (wrong.LedgerBeforeTheBatch, Suite.test_a_repeat_in_one_batch_gets_the_first_position, {}),
    (wrong.AlwaysTheSame, Suite.test_another_payload_or_type_under_the_same_id_is_told, {}),
    (wrong.TypeOfCommandIgnored, Suite.test_another_payload_or_type_under_the_same_id_is_told, {}),
    (wrong.PayloadsAsValues, Suite.test_payloads_are_compared_byte_for_byte, {}),
    (wrong.ConflictBeforeRepeat, Suite.test_a_repeat_is_told_as_such_although_its_boundary_has_moved, {}),
    (wrong.RejectionsClaim, Suite.test_a_rejection_claims_no_id, {}),
    (wrong.RejectionsClaim, Suite.test_a_rejection_claims_no_id_in_one_batch, {}),
    (wrong.ConflictsClaim, Suite.test_a_conflict_claims_no_id, {}),
    (wrong.EventsClaim, Suite.test_an_accepted_command_without_events_claims_its_id, {}),
    (wrong.NewIdsClaimNothing, Suite.test_an_id_that_was_made_for_its_command_is_claimed_too, {}),
    (wrong.OnePrincipal, Suite.test_ids_are_told_apart_by_principal_and_tenant, {}),
    (wrong.OneTenant, Suite.test_ids_are_told_apart_by_principal_and_tenant, {}),
    (wrong.ConflictsBurn, Suite.test_conflicts_take_no_position, {}),
    (wrong.HalfADecision, Suite.test_a_conflicting_decision_stores_none_of_its_events, {}),
    (wrong.BackToFront, Suite.test_events_of_one_decision_are_adjacent_and_in_order, {}),
    (wrong.BackToFront, Suite.test_decisions_of_one_batch_are_in_its_order, {}),
    (wrong.WholeBatchOrNothing, Suite.test_conflicts_take_no_position, {}),
]  # fmt: skip

LEDGERS: list[tuple[type[Reference], Callable[..., Any], Given]] = [
    (misentered.OnlyAccepted, ENTERED, {}),
    (misentered.FailuresAreRejections, ENTERED, {}),
    (misentered.FailuresClaim, Suite.test_a_failure_claims_no_id, {}),
    (misentered.FirstIsLast, ENTERED, {}),
    (misentered.NoEventsLookLikeOne, ENTERED, {}),
    (misentered.NoCause, ENTERED, {}),
    (misentered.AttemptsAlwaysOne, ENTERED, {}),
    (misentered.FingerprintOfThePayloadAlone, ENTERED, {}),
    (misentered.KeepsSecrets, Suite.test_only_the_key_is_kept_where_that_is_asked_for, {}),
    (misentered.KeepsReasons, Suite.test_only_the_key_is_kept_where_that_is_asked_for, {}),
    (misentered.ConflictsEntered, Suite.test_conflicts_and_repeats_leave_no_entry, {}),
    (misentered.FirstTagOnly, FOUND, entries("two tags")),
    (misentered.NoNameIsAnyName, FOUND, entries("who gave no name")),
    (misentered.AnyOutcome, FOUND, entries("failed")),
    (misentered.AnyTime, FOUND, entries("since later")),
    (misentered.AnyTime, FOUND, entries("until before")),
    (misentered.OneTenant, FOUND, entries("another tenant")),
    (misentered.FirstTypeOnly, FOUND, entries("several types")),
    (misentered.TagsAsText, FOUND, entries("part of another tag")),
    (misentered.LastPositionOnly, FOUND, entries("the first event of a command")),
    (misentered.CorrelationOfOthersOnly, FOUND, entries("a correlation, which may be the command itself")),
    (misentered.AlwaysNewest, FOUND, entries("everything")),
    (misentered.AfterIncluded, Suite.test_pages_follow_one_another, {"newest": True}),
    (misentered.AfterIncluded, Suite.test_pages_follow_one_another, {"newest": False}),
    (misentered.PrunesTheYoung, Suite.test_what_is_not_old_enough_stays, {}),
    (misentered.PrunesAllThatIsOld, Suite.test_it_stops_at_the_first_that_is_too_young, {}),
    (misentered.PrunesTheNewest, Suite.test_the_newest_entry_stays_so_that_no_number_comes_again, {}),
    (misentered.PrunesWithoutLimit, Suite.test_it_goes_on_in_small_steps, {}),
    (misentered.KeepsThePayload, Suite.test_contents_go_and_keys_stay, {}),
    (misentered.ForgetsIncidents, Suite.test_contents_go_and_keys_stay, {}),
    (misentered.ForgetsKeysToo, Suite.test_a_repeat_is_told_when_only_its_key_is_left, {}),
    (misentered.ClaimsStay, Suite.test_claims_go_and_their_ids_are_free_again, {}),
    (misentered.RefusalsTakeAll, Suite.test_refusals_go_and_accepted_commands_stay, {}),
    (misentered.LimitBeforeSearch, Suite.test_pages_follow_one_another, {"newest": True}),
]  # fmt: skip

HISTORIES: list[tuple[type[PlainHistory], Callable[..., Any], Given]] = [
    (wrong.Racing, Suite.test_of_many_conflicting_appends_exactly_one_succeeds, {}),
    (wrong.Racing, Suite.test_of_one_command_sent_many_times_at_once_one_is_decided, {}),
    (wrong.OneByOne, Suite.test_a_cancelled_append_is_all_or_nothing_and_the_next_one_works, {"steps": 1}),
    (wrong.EventByEvent, Suite.test_a_cancelled_append_is_all_or_nothing_and_the_next_one_works, {"steps": 1}),
    (wrong.EventByEvent, Suite.test_many_cancelled_appends_leave_whole_decisions, {}),
    (wrong.Silent, Suite.test_everyone_who_waits_is_woken_by_an_append, {}),
    (wrong.Silent, Suite.test_who_stops_waiting_does_not_disturb_the_others, {}),
    (wrong.Deaf, Suite.test_an_append_wakes_who_waits_at_another_opening_of_the_same_place, {}),
    (wrong.Forgetful, Suite.test_a_history_that_is_opened_again_is_the_same, {}),
    (wrong.Forgetful, Suite.test_positions_and_conditions_go_on_after_opening_again, {}),
    (wrong.ForgetfulOfCommands, Suite.test_a_repeat_is_told_after_opening_again, {}),
    (wrong.NewIdEachTime, Suite.test_a_history_that_is_opened_again_is_the_same, {}),
    (wrong.OneIdForAll, Suite.test_every_history_has_an_id_of_its_own, {}),
    (misread.AfterCounts, WITHIN, reading("everything")),
    (misread.UntilDoesNotCount, WITHIN, reading("everything")),
    (misread.NoLimit, WITHIN, reading("one tag")),
    (misread.LimitForEachCriterion, WITHIN, reading("criteria that overlap")),
    (misread.CriterionAfterCriterion, Suite.test_reads, reading("criteria that overlap")),
    (misread.TwiceWhereCriteriaOverlap, Suite.test_reads, reading("criteria that overlap")),
    (misread.AnyTag, Suite.test_reads, reading("two tags")),
    (misread.NoTypes, Suite.test_reads, reading("a tag and a type")),
    (misread.NothingIsEverything, Suite.test_reads, reading("nothing")),
    (misread.OnePage, Suite.test_reading_goes_on_over_many_batches, {}),
    (misread.LosesAtTheBorder, Suite.test_reading_goes_on_over_many_batches, {}),
    (misread.TwiceAtTheBorder, Suite.test_reading_goes_on_over_many_batches, {}),
    (misread.TwiceAtTheBorder, Suite.test_limits_and_ends_fall_anywhere_in_a_batch, {"limit": 1_001}),
    (misread.EmptyBatches, Suite.test_reads, reading("nothing")),
    (misread.MovingEnd, Suite.test_without_until_it_reads_to_the_head_at_its_beginning, {}),
    (misread.PayloadMadeAnew, Suite.test_payloads_come_back_byte_for_byte, {"payload": PAYLOADS[5]}),
    (misread.TagsSorted, Suite.test_an_event_comes_back_as_it_was_proposed, {}),
    (misread.VersionOne, Suite.test_an_event_comes_back_as_it_was_proposed, {}),
    (misread.NewEventIds, Suite.test_an_event_comes_back_as_it_was_proposed, {}),
    (misread.NoCorrelation, LINKED, {}),
    (misread.CorrelationAlwaysTheCommand, LINKED, {}),
    (misread.CausationAlwaysTheCommand, LINKED, {}),
    (misread.NoPrincipal, LINKED, {}),
    (misread.TimeInMilliseconds, Suite.test_events_are_recorded_at_the_time_of_the_append_in_utc, {}),
    (misread.TimeInAnotherZone, Suite.test_events_are_recorded_at_the_time_of_the_append_in_utc, {}),
]  # fmt: skip

# What random steps must find as well, without being told where to look.
AT_RANDOM: list[type[Reference]] = [
    wrong.NoConditions,
    wrong.FirstCriterionOnly,
    wrong.FirstTagOnly,
    wrong.TypesIgnored,
    wrong.AllSeen,
    wrong.NoCascade,
    wrong.NoLedger,
    wrong.RejectionsClaim,
    wrong.BackToFront,
]


async def run(
    test: Callable[..., Any], engine: HistoryEngine, given: Given, deadline: float = HistoryContract.deadline
) -> None:
    """Run one test of the suite, as pytest does."""
    suite = HistoryContract()
    suite.deadline = deadline
    if "engine" in inspect.signature(test).parameters:
        await test(suite, engine, **given)
    else:
        async with engine.opened(engine.place()) as history:
            await test(suite, history, **given)


def with_reference(kind: type[Reference]) -> HistoryEngine:
    return plain_engine(type(kind.__name__, (PlainHistory,), {"reference_of": kind}))


def until_found(usual: settings) -> settings:
    """Return settings to look for a mistake that is there: for long, and without looking for a simpler example."""
    return settings(usual, max_examples=100 * usual.max_examples, phases=[Phase.generate], database=None)


def named(case: Any) -> str:
    return case.__name__ if callable(case) else ""


@pytest.mark.parametrize(("kind", "test", "given"), DECISIONS + LEDGERS, ids=named)
async def test_a_wrong_decision_is_found(kind: type[Reference], test: Callable[..., Any], given: Given) -> None:
    await run(test, plain_engine(), given)
    with pytest.raises((AssertionError, ExceptionGroup)):
        await run(test, with_reference(kind), given)


@pytest.mark.parametrize(("kind", "test", "given"), HISTORIES, ids=named)
async def test_a_wrong_history_is_found(kind: type[PlainHistory], test: Callable[..., Any], given: Given) -> None:
    await run(test, plain_engine(), given)
    with pytest.raises((AssertionError, TimeoutError, ExceptionGroup)):
        await run(test, plain_engine(kind), given, deadline=0.2)


@pytest.mark.parametrize("kind", AT_RANDOM, ids=named)
def test_a_wrong_decision_is_found_by_random_steps(kind: type[Reference]) -> None:
    suite = HistoryContract()
    suite.steps_at_random = until_found(suite.steps_at_random)
    with pytest.raises((AssertionError, ExceptionGroup)):
        suite.test_random_steps_are_answered_as_by_the_reference(with_reference(kind))


async def test_an_inability_that_is_declared_without_need_is_found() -> None:
    with pytest.raises(AssertionError):
        await HistoryContract().test_what_it_cannot_do_is_declared_and_nothing_else(
            Engine("memory", lambda place: MemoryHistory())
        )
    unsharing = plain_engine(cannot={"share", "transact"})
    with pytest.raises(AssertionError):
        await HistoryContract().test_what_it_cannot_do_is_declared_and_nothing_else(unsharing)


def test_an_unknown_inability_is_refused() -> None:
    with pytest.raises(ValueError, match="fly"):
        Engine("memory", lambda place: MemoryHistory(), cannot={"fly"})  # type: ignore[arg-type]
