"""The suite of view stores finds what it is there for: each planted mistake makes the test meant for it fail."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.engines import view_mistakes as wrong
from twofold.engines.memory import MemoryViews
from twofold.testing.contracts import Engine, ViewEngine, ViewStoreContract
from twofold.testing.contracts.engine import Ability
from twofold.testing.contracts.views_ranges import RANGES
from twofold.testing.contracts.views_reading import FINDINGS, ORDERS, WRITES

Suite = ViewStoreContract
Given = dict[str, Any]

FOUND = Suite.test_find_and_count_take_rows_by
RANGED = Suite.test_a_range_takes_rows
RANDOM_SPANS = Suite.test_pages_of_a_range_are_the_whole
ORDERED = Suite.test_find_orders_by
STALE = Suite.test_a_batch_from_another_checkpoint_stores_nothing
SWAP = Suite.test_the_old_version_stays_live_until_the_new_one_is
KINDS = Suite.test_rows_of_any_kind_come_back
RANDOM_PAGES = Suite.test_pages_are_the_whole_for_any_rows_and_any_order


def finding(case: str) -> Given:
    return dict(zip(("equals", "names"), FINDINGS[case], strict=True))


def span(case: str) -> Given:
    return dict(zip(("wanted", "names"), RANGES[case], strict=True))


def order(case: str) -> Given:
    return dict(zip(("order", "names"), ORDERS[case], strict=True))


def pages(*order: str) -> Given:
    return {"order": list(order), "size": 2}


MISTAKES: list[tuple[type[MemoryViews], Callable[..., Any], Given]] = [
    (wrong.AnyCheckpoint, STALE, {"expected": 0}),
    (wrong.ForwardOnly, STALE, {"expected": 4}),
    (wrong.RowsFirst, STALE, {"expected": 2}),
    (wrong.ParksFirst, STALE, {"expected": 2}),
    (wrong.RowByRow, Suite.test_a_batch_that_fails_stores_nothing, {}),
    (wrong.CheckThenStore, Suite.test_of_two_batches_at_once_from_one_checkpoint_one_is_stored, {}),
    (wrong.NoCheckpoint, Suite.test_a_batch_stores_rows_and_checkpoint, {}),
    (wrong.RowsOnly, Suite.test_a_batch_without_rows_moves_the_checkpoint, {}),
    (wrong.Merging, Suite.test_a_row_replaces_the_one_of_its_key_whole, {}),
    (wrong.FirstKeyFieldOnly, Suite.test_a_key_of_several_fields_tells_rows_apart, {}),
    (wrong.Truncating, Suite.test_large_batches_are_stored_and_loaded, {}),
    (wrong.LoadsAll, Suite.test_loading_finds_rows_by_key, {}),
    (wrong.LoadsAll, Suite.test_get_returns_the_rows_of_keys, {}),
    (wrong.StartsAnew, Suite.test_preparing_again_keeps_what_is_there, {}),
    (wrong.AnyHistory, Suite.test_another_history_is_refused_and_nothing_is_changed, {}),
    (wrong.LiveAtOnce, Suite.test_a_new_table_is_empty_at_position_zero_and_not_live, {}),
    (wrong.LiveAtOnce, SWAP, {}),
    (wrong.OldNotLiveFromPreparing, SWAP, {}),
    (wrong.LiveOnlyOnce, Suite.test_a_table_is_live_from_the_batch_on_that_says_so, {}),
    (wrong.BothLive, SWAP, {}),
    (wrong.BothLive, Suite.test_a_version_may_become_live_again, {}),
    (wrong.OneLive, Suite.test_other_read_models_stay_live, {}),
    (wrong.DropsTheOld, Suite.test_the_version_before_is_kept_when_a_new_one_is_live, {}),
    (wrong.TellsWhatIsLive, Suite.test_the_versions_that_are_kept_are_told, {}),
    (wrong.NeverForgets, Suite.test_what_was_exchanged_is_exchanged_back_once_it_has_caught_up, {}),
    (wrong.ShadowAsSpare, Suite.test_a_shadow_is_made_and_dropped_beside_the_table_and_its_spare, {}),
    (wrong.ForgetsShadows, Suite.test_a_shadow_is_made_and_dropped_beside_the_table_and_its_spare, {}),
    (wrong.ShadowsStay, Suite.test_a_shadow_is_made_and_dropped_beside_the_table_and_its_spare, {}),
    (wrong.FirstSegmentTwice, Suite.test_a_table_is_live_when_all_of_its_segments_have_caught_up, {}),
    (wrong.LastParked, Suite.test_parked_keys_are_told_with_their_first_position, {}),
    (wrong.ParkedEvents, Suite.test_parked_keys_are_told_with_their_first_position, {}),
    (wrong.EmptyMatchesAll, FOUND, finding("nothing in a field")),
    (wrong.FirstFieldOnly, FOUND, finding("several fields")),
    (wrong.AnyCaseFound, FOUND, finding("a text")),
    (wrong.DecimalsFoundAsText, FOUND, finding("a decimal that is padded otherwise")),
    (wrong.CountsAll, FOUND, finding("a number")),
    (wrong.CountsAPage, Suite.test_count_counts_all_rows_whatever_the_page, {}),
    (wrong.NoRanges, RANGED, span("at least")),
    (wrong.BoundsLeftOut, RANGED, span("between, the upper left out")),
    (wrong.EmptyBelowAll, RANGED, span("empty fields are in no range")),
    (wrong.DecimalRangesAsText, RANGED, span("decimals by value")),
    (wrong.NoRanges, RANDOM_SPANS, {}),
    (wrong.SomeWords, Suite.test_a_search_finds_rows_by, {}),
    (wrong.WholeWordsOnly, Suite.test_a_search_finds_rows_by, {}),
    (wrong.OldWords, Suite.test_words_change_with_their_rows, {}),
    (wrong.SomeWords, Suite.test_any_words_are_found_in_any_texts, {}),
    (wrong.AlwaysAscending, ORDERED, order("a number, descending, ties by key")),
    (wrong.AlwaysAscending, ORDERED, order("two fields in two directions")),
    (wrong.FirstOrderOnly, ORDERED, order("a number, ties by key")),
    (wrong.FirstOrderOnly, ORDERED, order("two fields")),
    (wrong.EmptyLast, ORDERED, order("empty fields come first")),
    (wrong.DecimalsAsText, ORDERED, order("decimals by value, ties by key")),
    (wrong.NoLimitFound, Suite.test_find_ends_at_the_limit, {}),
    (wrong.AfterIncluded, Suite.test_pages_are_the_whole, pages("rank")),
    (wrong.AfterByFirstField, Suite.test_pages_are_the_whole, pages("rank")),
    (wrong.AfterLosesEmpty, Suite.test_pages_are_the_whole, pages("rank")),
    (wrong.AfterLosesEmpty, Suite.test_pages_are_the_whole, pages("-rank")),
    (wrong.ByOffset, Suite.test_rows_that_come_and_change_do_not_move_the_others, {}),
    (wrong.AfterByFirstField, RANDOM_PAGES, {}),
    (wrong.AfterLosesEmpty, RANDOM_PAGES, {}),
    (wrong.DecimalsAsText, RANDOM_PAGES, {}),
    (wrong.SqlWrites, Suite.test_sql_cannot_write, {"write": WRITES[0], "table": "note"}),
    (wrong.SqlIgnoresWrites, Suite.test_sql_cannot_write, {"write": WRITES[0], "table": "note"}),
    (wrong.SqlIgnoresMistakes, Suite.test_sql_that_is_wrong_is_refused, {"text": "where nosuch = 1"}),
    (wrong.ShortFloats, KINDS, {}),
    (wrong.WholeSeconds, KINDS, {}),
    (wrong.EmptyTextIsNothing, KINDS, {}),
    (wrong.BytesAsText, KINDS, {}),
    (wrong.AnyEpoch, Suite.test_under_an_earlier_epoch_nothing_is_stored, {}),
    (wrong.SameEpoch, Suite.test_a_lease_that_ran_out_is_taken_over_under_a_higher_epoch, {}),
    (wrong.SameEpoch, Suite.test_under_an_earlier_epoch_nothing_is_stored, {}),
    (wrong.NewEpochs, Suite.test_a_lease_is_renewed_under_its_epoch, {}),
    (wrong.OpenToAll, Suite.test_another_holder_is_kept_out_and_told_who_has_it_and_for_how_long, {}),
    (wrong.ReleasesAny, Suite.test_another_holder_is_kept_out_and_told_who_has_it_and_for_how_long, {}),
    (wrong.NeverFree, Suite.test_what_was_released_is_another_holders_at_once, {}),
    (wrong.NeverFree, Suite.test_the_status_tells_who_projects_and_how_far_the_history_is, {}),
    (wrong.NeverEnds, Suite.test_a_lease_that_ran_out_is_taken_over_under_a_higher_epoch, {}),
    (wrong.LookThenTake, Suite.test_of_many_that_claim_at_once_one_gets_the_lease, {}),
    (wrong.HereForEver, Suite.test_a_node_is_gone_when_it_leaves_or_says_no_more_that_it_is_there, {}),
    (wrong.LeavesNobody, Suite.test_a_node_is_gone_when_it_leaves_or_says_no_more_that_it_is_there, {}),
    (wrong.LeavesWithAll, Suite.test_a_node_is_gone_when_it_leaves_or_says_no_more_that_it_is_there, {}),
    (wrong.OldTables, Suite.test_nodes_that_attend_are_there_with_what_they_can_project, {}),
    (wrong.OneLeaseForAll, Suite.test_every_segment_is_told_with_its_holder, {}),
    (wrong.OneLeaseForAll, Suite.test_a_segments_batches_are_stored_under_the_epoch_of_its_own_lease, {}),
    (wrong.AnyEpoch, Suite.test_a_segments_batches_are_stored_under_the_epoch_of_its_own_lease, {}),
    (wrong.HoldersForEver, Suite.test_every_segment_is_told_with_its_holder, {}),
    (wrong.NothingEnds, Suite.test_it_is_told_when_something_of_another_node_runs_out, {}),
    (wrong.NoHints, Suite.test_who_follows_the_hints_sees_every_batch, {}),
]


def run(test: Callable[..., Any], engine: ViewEngine, given: Given, patience: int = 1) -> None:
    """Run one test of the suite, as pytest does; where it fails at random, without looking for a simpler example.

    Args:
        test: which.
        engine: what is tested.
        given: the test's parameters.
        patience: how many times as many examples are tried at random as usual.
    """
    suite = ViewStoreContract()
    for name in ("kinds_at_random", "keys_at_random", "pages_at_random", "ranges_at_random", "searches_at_random"):
        usual: settings = getattr(suite, name)
        examples = patience * usual.max_examples
        setattr(suite, name, settings(usual, max_examples=examples, phases=[Phase.generate], database=None))

    async def with_store() -> None:
        async with engine.opened(engine.place()) as store:
            await test(suite, store, **given)

    if "engine" in inspect.signature(test).parameters and inspect.iscoroutinefunction(test):
        asyncio.run(test(suite, engine, **given))
    elif not inspect.iscoroutinefunction(test):
        test(suite, engine, **given)
    else:
        asyncio.run(with_store())


def memory(kind: type[MemoryViews]) -> ViewEngine:
    cannot: set[Ability] = {"reopen", "share", "connect"}
    if not issubclass(kind, wrong.Leasing):
        cannot.add("lease")
    return Engine(kind.__name__, lambda place: kind(), cannot=cannot)


def named(case: Any) -> str:
    return case.__name__ if callable(case) else ""


@pytest.mark.parametrize(("kind", "test", "given"), MISTAKES, ids=named)
def test_a_wrong_view_store_is_found(kind: type[MemoryViews], test: Callable[..., Any], given: Given) -> None:
    run(test, memory(wrong.Leasing if issubclass(kind, wrong.Leasing) else MemoryViews), given)
    with pytest.raises((AssertionError, ExceptionGroup, TimeoutError, pytest.fail.Exception)):
        # One run in eight would not find some of them; so it goes on until it does.
        run(test, memory(kind), given, patience=100)


def test_a_connection_that_writes_is_found() -> None:
    def write(store: Any, statement: str) -> None:
        store._tables.clear()

    engine: ViewEngine = Engine(
        "memory", lambda place: MemoryViews(), cannot={"reopen", "share", "lease"}, write_raw=write
    )
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        asyncio.run(ViewStoreContract().test_the_connection_that_queries_are_read_with_cannot_write(engine))


def test_an_engine_that_declares_no_inability_but_gives_no_connection_is_found() -> None:
    engine: ViewEngine = Engine("memory", lambda place: MemoryViews(), cannot={"reopen", "share", "lease"})
    with pytest.raises(AssertionError):
        asyncio.run(ViewStoreContract().test_what_it_cannot_do_is_declared_and_nothing_else(engine))
