"""The suite of histories finds mistakes in the engine's functions: each makes the test fail that is meant for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.conftest import EMPTY
from tests.engines.conftest import postgres_history
from tests.engines.test_planted_mistakes import (
    CONFLICTING,
    FREE,
    LINKED,
    WITHIN,
    Given,
    conflict,
    no_conflict,
    reading,
    run,
    until_found,
)
from tests.postgres.planting import Change
from twofold.errors import StoreError
from twofold.testing import PostgresServer
from twofold.testing.contracts import HistoryContract as Suite

pytestmark = pytest.mark.anyio

NOBODY_WAITS: Change = ("    PERFORM history.lock();\n    IF current", "    IF current")
# Two that do not wait for each other meet only if each, having seen the head and before it stores, stays until another
# has come, or has stored what it did not see; for 10 s at most, should it be alone.
MEETING: Change = (
    "    now := clock_timestamp();",
    """
    PERFORM pg_advisory_xact_lock_shared(1);
    FOR n IN 1..CASE WHEN new_entries > 0 THEN 1000 ELSE 0 END LOOP
        EXIT WHEN EXISTS (SELECT FROM history.events AS e WHERE e.position > append.head)
            OR (SELECT count(*) > 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database()));
        PERFORM pg_sleep(0.01);
    END LOOP;
    now := clock_timestamp();
    """,
)
ONE_DECIDES = "AND standing[other] = (other > seens[n])"

WRONG: list[tuple[str, Change, Callable[..., Any], Given]] = [
    ("no lock", NOBODY_WAITS, Suite.test_of_many_conflicting_appends_exactly_one_succeeds, {}),
    ("no lock", NOBODY_WAITS, Suite.test_a_repeat_at_another_opening_of_the_place_is_told, {}),
    ("no conditions", ("IF head > least_after", "IF false"), CONFLICTING, conflict("its tag")),
    ("events up to the position", ("t.position > afters", "t.position >= afters"),
        Suite.test_events_up_to_the_position_do_not_count_for, conflict("its tag")),
    ("types of a tag ignored", ("AND (c.types IS NULL OR c.types ? t.type)\n                      AND NOT", "AND NOT"),
        FREE, no_conflict("its tag but another type")),
    ("first tag only", ("jsonb_array_elements_text(c.tags - 0)", "jsonb_array_elements_text('[]')"),
        FREE, no_conflict("one of its tags and one that it lacks")),
    ("no types alone", ("WHEN c.types IS NOT NULL THEN (", "WHEN c.types IS NOT NULL AND false THEN ("),
        FREE, no_conflict("another type alone")),
    ("not everything", ("ELSE head > afters[c.decision]", "ELSE false"), CONFLICTING, conflict("everything")),
    ("all seen", ("bool_and(s.seen >= s.n - 1)", "true"), Suite.test_an_earlier_one_that_was_not_seen_conflicts, {}),
    ("no cascade", (ONE_DECIDES, "AND standing[other] AND other > seens[n]"),
        Suite.test_what_rests_on_a_failed_one_fails_too_down_the_line, {}),
    ("cascade of the unseen", (ONE_DECIDES, "AND (NOT standing[other] OR other > seens[n])"),
        Suite.test_a_failed_one_that_was_not_seen_does_not_matter, {}),
    ("seen counted from one", ("(other > seens[n])", "(other >= seens[n])"),
        Suite.test_seen_counts_from_the_beginning_of_the_batch, {}),
    ("no ledger", ("IF false = ANY (firsts)", "IF false"),
        Suite.test_a_repeat_gets_the_first_position_and_stores_nothing, {}),
    ("no repeats in a batch", ("WHERE NOT d.is_first AND NOT o.is_first AND", "WHERE false AND"),
        Suite.test_a_repeat_in_one_batch_gets_the_first_position, {}),
    ("always the same", ("l.fingerprint = sha256(", "l.fingerprint <> ''::bytea OR '' = sha256("),
        Suite.test_another_payload_or_type_under_the_same_id_is_told, {}),
    ("rejections claim", ("AND o.outcome = 'accepted'\n    ) AS p", ") AS p"),
        Suite.test_a_rejection_claims_no_id_in_one_batch, {}),
    ("conflict before repeat", ("IF n = ANY (known)", "IF kind <> 'c' AND n = ANY (known)"),
        Suite.test_a_repeat_is_told_as_such_although_its_boundary_has_moved, {}),
    ("one principal", ("l.principal = d.principal", "true"),
        Suite.test_ids_are_told_apart_by_principal_and_tenant, {}),
    ("one tenant", ("l.tenant = d.tenant AND", ""), Suite.test_ids_are_told_apart_by_principal_and_tenant, {}),
    ("conflicts burn", ("kinds := kinds || kind;", "kinds := kinds || kind; reached := reached + 1;"),
        Suite.test_conflicts_take_no_position, {}),
    ("all stored", ("WHERE coalesce(standing[e.decision], true);", ";"), Suite.test_conflicts_take_no_position, {}),
    ("back to front", ("coalesce(positions[e.n], append.head + e.n)", "append.head + new_events + 1 - e.n"),
        Suite.test_events_of_one_decision_are_adjacent_and_in_order, {}),
    ("after counts", ("WHERE e.position > after AND", "WHERE e.position >= after AND"), WITHIN, reading("everything")),
    ("after counts by tag", ("t.position > after AND", "t.position >= after AND"), WITHIN, reading("one tag")),
    ("after counts by type", ("(e.type, e.position) > (wanted", "(e.type, e.position) >= (wanted"),
        WITHIN, reading("one type")),
    ("until does not count", ("t.position <= until", "t.position < until"), WITHIN, reading("one tag")),
    ("twice where criteria overlap", ("        UNION\n", "        UNION ALL\n"),
        Suite.test_reads, reading("criteria that overlap")),
    ("limit for each criterion", ("ORDER BY position LIMIT most);\n    RETURN", "ORDER BY position);\n    RETURN"),
        WITHIN, reading("criteria that overlap")),
    ("read out of order", ("ORDER BY f.n;", "ORDER BY -f.n;"), Suite.test_reads, reading("one tag")),
    ("no types of a tag", ("AND (c.types IS NULL OR c.types ? t.type)\n              AND", "AND"),
        Suite.test_reads, reading("a tag and a type")),
    ("tags of the first alone", ("FROM jsonb_array_elements_text(c.tags - 0)", "FROM jsonb_array_elements_text('[]')"),
        Suite.test_reads, reading("two tags")),
    ("no correlation", ("uuid_send(coalesce(correlation_id, command_id))", "uuid_send(command_id)"), LINKED, {}),
    ("no causation", ("uuid_send(coalesce(causation_id, command_id))", "uuid_send(command_id)"), LINKED, {}),
    ("milliseconds", ("* 1000000)::bigint", "* 1000)::bigint"),
        Suite.test_events_are_recorded_at_the_time_of_the_append_in_utc, {}),
]  # fmt: skip

# What random steps must find.
AT_RANDOM: dict[str, Change] = {
    "none seen": (ONE_DECIDES, "AND standing[other]"),
    "conditions of the latest alone": ("SELECT min(s.after)", "SELECT max(s.after)"),
    "any event with the other tag": (
        "AND o.position = t.position) IS NULL)\n                    LIMIT",
        ") IS NULL) LIMIT",
    ),
    "types in the batch ignored": ("AND (c.types IS NULL OR c.types ? e.type) AND e.tags", "AND e.tags"),
    "tags in the batch ignored": (" AND e.tags::jsonb @> c.tags", ""),
}


def named(case: Any) -> str:
    return case if isinstance(case, str) else ""


@pytest.mark.parametrize(("name", "change", "test", "given"), WRONG, ids=named)
async def test_a_wrong_function_is_found(
    name: str,
    change: Change,
    test: Callable[..., Any],
    given: Given,
    planted: Callable[[Sequence[Change]], str],
) -> None:
    changes = [change, MEETING] if change is NOBODY_WAITS else [change]
    engine = postgres_history(lambda: planted(changes))
    with pytest.raises((AssertionError, TimeoutError, ExceptionGroup, StoreError)):
        await run(test, engine, given)


@pytest.mark.parametrize("name", AT_RANDOM)
def test_a_wrong_function_is_found_by_random_steps(
    name: str, planted: Callable[[Sequence[Change]], str], postgres_server: PostgresServer
) -> None:
    url = planted([AT_RANDOM[name]])

    def emptied() -> str:
        postgres_server.execute(EMPTY, url)
        return url

    suite = Suite()
    suite.steps_at_random = until_found(suite.steps_at_random)
    with pytest.raises((AssertionError, StoreError, ExceptionGroup)):
        suite.test_random_steps_are_answered_as_by_the_reference(postgres_history(emptied))
