"""The suite of view stores finds mistakes in the scripts that the server runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.engines.conftest import valkey_views
from tests.engines.test_planted_view_mistakes import Given, run
from tests.valkey.test_server import test_an_epoch_that_was_lost_with_the_database_does_not_come_again as lost_epochs
from twofold.engines.valkey import scripts, server
from twofold.engines.valkey.scripts import Script
from twofold.testing import ValkeyServer
from twofold.testing.contracts import ViewStoreContract as Suite

STALE = Suite.test_a_batch_from_another_checkpoint_stores_nothing
SHADOW = Suite.test_a_shadow_is_made_and_dropped_beside_the_table_and_its_spare

MISTAKES: dict[str, tuple[str, str, str, Callable[..., Any], Given]] = {
    "any checkpoint": ("apply", "at[1] ~= ARGV[2] or ", "", STALE, {"expected": 0}),
    "any epoch": ("apply", " or at[2] ~= ARGV[4]", "", Suite.test_under_an_earlier_epoch_nothing_is_stored, {}),
    "the checkpoint stays": (
        "apply", "redis.call('HSET', KEYS[1], 'checkpoint:' .. segment, ARGV[3])", "",
        Suite.test_a_batch_stores_rows_and_checkpoint, {},
    ),
    "one piece of many": (
        "apply", "for from = first, last, CHUNK * step do", "for from = first, math.min(first, last) do",
        Suite.test_large_batches_are_stored_and_loaded, {},
    ),
    "deleted rows stay": (
        "apply", "redis.call('HDEL', found.rows, unpack(ARGV, from, to))", "",
        Suite.test_rows_are_deleted_by_key, {},
    ),
    "the last parked event": (
        "apply", "'HSETNX'", "'HSET'", Suite.test_parked_keys_are_told_with_their_first_position, {},
    ),
    "live with its first segment": (
        "apply", "if ready ~= '1' then", "if false then",
        Suite.test_a_table_is_live_when_all_of_its_segments_have_caught_up, {},
    ),
    "a spare goes live": (
        "apply", "ARGV[7] == '1' or ", "",
        Suite.test_a_spare_is_empty_at_position_zero_and_changes_nothing_of_the_table, {},
    ),
    "some parked events": (
        "unpark", "if table.concat(positions, ' ') ~= ARGV[2] then", "if false then",
        Suite.test_a_key_with_other_parked_events_is_left_as_it_is, {"positions": [2]},
    ),
    "taken up under the same epoch": (
        "unpark", "set_segments(KEYS[1], 'epoch', higher_epoch(KEYS[1]))", "",
        Suite.test_who_projected_before_a_key_was_taken_up_begins_again, {},
    ),
    "a lease for ever": (
        "claim", " and tonumber(at[3]) > time", "",
        Suite.test_a_lease_that_ran_out_is_taken_over_under_a_higher_epoch, {},
    ),
    "a lease for everybody": (
        "claim", "tonumber(at[3]) > time", "false",
        Suite.test_another_holder_is_kept_out_and_told_who_has_it_and_for_how_long, {},
    ),
    "taken over under the same epoch": (
        "claim", "epoch = number(math.max(tonumber(epoch) + 1, time))", "",
        Suite.test_a_lease_that_ran_out_is_taken_over_under_a_higher_epoch, {},
    ),
    "released by anybody": (
        "release", "== ARGV[2] then", "then",
        Suite.test_another_holder_is_kept_out_and_told_who_has_it_and_for_how_long, {},
    ),
    "back in time": (
        "exchange", " or tonumber(spare[n]) < tonumber(kept[n])", "",
        Suite.test_a_spare_that_is_behind_or_has_not_caught_up_is_not_exchanged, {"reached": 2, "ready": True},
    ),
    "before it has caught up": (
        "exchange", "ready[n] ~= '1' or ", "",
        Suite.test_a_spare_that_is_behind_or_has_not_caught_up_is_not_exchanged, {"reached": 9, "ready": False},
    ),
    "exchanged under the same epoch": (
        "exchange", "set_segments(KEYS[1], 'epoch', epoch)", "",
        Suite.test_who_projected_before_an_exchange_stores_nothing_more, {},
    ),
    "begun anew under the same epoch": (
        "begin_anew", "epoch = number(math.max(tonumber(epoch), tonumber(higher_epoch(KEYS[1]))))",
        "epoch = redis.call('HGET', KEYS[1], 'epoch:0')",
        Suite.test_who_fills_a_spare_that_was_begun_again_stores_nothing_more, {},
    ),
    "the shadow stays": ("drop", "drop(VERSION)", "", SHADOW, {}),
    "a node for ever": (
        "nodes", "at[1] > time", "true",
        Suite.test_a_node_is_gone_when_it_leaves_or_says_no_more_that_it_is_there, {},
    ),
}  # fmt: skip


def plant(patch: pytest.MonkeyPatch, name: str, right: str, wrong: str) -> None:
    """Have a mistake in one of the scripts."""
    text = scripts.script(name).text
    assert text.count(right) >= 1, "the script has changed: plant the mistake where it is now"
    planted = text.replace(right, wrong)
    sha = hashlib.sha1(planted.encode(), usedforsecurity=False).hexdigest()
    found = Script(planted, sha, scripts.script(name).reads)
    patch.setattr(server, "script", lambda wanted: found if wanted == name else scripts.script(wanted))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_script_is_found(mistake: str, valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    name, right, wrong, test, given = MISTAKES[mistake]
    engine = valkey_views(valkey_server.place)
    run(test, engine, given)
    plant(monkeypatch, name, right, wrong)
    with pytest.raises((AssertionError, TimeoutError, pytest.fail.Exception)):
        run(test, engine, given)


@pytest.mark.anyio
async def test_an_epoch_that_comes_again_after_the_data_was_lost_is_found(
    valkey_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "claim", "epoch = number(math.max(tonumber(epoch) + 1, time))", "epoch = number(epoch + 1)")
    with pytest.raises(AssertionError):
        await lost_epochs(valkey_server)
