"""Processes under load are killed: what was acknowledged is stored, whole, once, and projected (F7, R1)."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from tests.faults.killing import check_after_kill, check_read_models, kill_round, receipts_in
from tests.faults.places import Places
from tests.faults.planted import KEPT_BACK
from tests.faults.processes import workers
from tests.faults.stored import Lost
from tests.faults.worker import Options, commands_of


def test_killed_writers_and_projectors_leave_all_that_was_acknowledged_and_nothing_in_part(places: Places) -> None:
    place = places.new()
    receipts: list[tuple[UUID, int]] = []
    for seed in range(places.kills):
        receipts += kill_round(place, seed)
        check_after_kill(place, receipts)
        if seed % 2:
            check_read_models(place, places.new())
    assert len(receipts) > 100


def test_ten_thousand_commands_that_are_sent_again_after_every_kill_have_one_effect_each(places: Places) -> None:
    place = places.new()
    chance = Random(1)
    options = Options(place.url, count=10_000, width=100, roles=("write", "read", "project"), ids=1 << 64)
    answered: dict[UUID, int | None] = {}
    kills = 0
    while len(answered) < options.count:
        # After the third kill it may finish.
        until = 10_000 if kills == 3 else 500 + chance.randrange(2_000)
        with workers([("load", options)], " ".join(str(each.int) for each in answered)) as (worker,):
            said = worker.wait_until(lambda lines, until=until: len(lines) > until)  # type: ignore[misc]
            said = worker.finish() if kills == 3 else worker.kill()
            kills += kills < 3
        for line in said:
            if isinstance(line, list):
                assert answered.setdefault(UUID(line[0]), line[1]) == line[1]
    assert kills == 3
    stored = place.stored()
    stored.check()
    stored.check_acknowledged((each, position) for each, position in answered.items() if position is not None)
    sent = {each for each, _ in commands_of(options)}
    assert set(stored.accepted) == {each for each, position in answered.items() if position is not None}
    assert set(answered) == sent
    check_read_models(place, places.new())


def test_control_commands_that_are_acknowledged_before_their_commit_are_missed_after_a_kill(places: Places) -> None:
    place = places.new()
    options = Options(place.url, count=100_000, planted="EarlyAnswers")
    with workers([("load", options)], "") as (worker,):
        worker.wait_until(lambda said: len(receipts_in(said)) > KEPT_BACK)
        said = worker.kill()
    assert len(receipts_in(said)) > KEPT_BACK
    with pytest.raises(Lost):
        check_after_kill(place, receipts_in(said))
