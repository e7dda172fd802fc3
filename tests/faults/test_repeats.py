"""Repeats of commands from tasks, threads and processes at once: each has one effect, and all get its receipt."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

import pytest

from tests.faults.places import Place, Places
from tests.faults.processes import workers
from tests.faults.worker import Options

FIRST, COUNT = 1 << 64, 60


class DecidedTwice(AssertionError):
    """A command id had more than one effect, or its senders were told different things."""


def storm(place: Place, planted: str = "", seed: int = 0) -> None:
    """Let three processes with three threads each send the same commands; check what they were told and what is stored.

    Raises:
        DecidedTwice: an id was decided twice.
    """
    options = [
        Options(place.url, name="abc"[n], count=COUNT, seed=seed + 10 * n, width=5, ids=FIRST, planted=planted)
        for n in range(3)
    ]
    with workers([("repeat", each) for each in options]) as running:
        for worker in running:
            worker.wait_until(lambda said: "ready" in said)
        for worker in running:
            worker.write("go")
        said = [line for worker in running for line in worker.finish() if isinstance(line, list)]
    assert len(said) == 9 * COUNT
    check_told(said)
    stored = place.stored()
    stored.check()
    ids = [recorded.metadata.command_id for recorded in stored.records]
    if sorted(ids) != [UUID(int=FIRST + n) for n in range(COUNT)]:
        raise DecidedTwice(f"{COUNT} commands have {len(ids)} events")


def check_told(said: list[list[object]]) -> None:
    answers: defaultdict[object, list[tuple[object, object, object]]] = defaultdict(list)
    for number, amount, position, repeated in said:
        answers[number].append((amount, position, repeated))
    assert len(answers) == COUNT
    for number, told in answers.items():
        accepted = {(amount, position) for amount, position, _ in told if position is not None}
        refused = {amount for amount, position, _ in told if position is None}
        firsts = [each for each in told if each[2] is False]
        if len(accepted) != 1 or len(firsts) != 1 or refused & {amount for amount, _ in accepted}:
            raise DecidedTwice(f"{number}: {told}")


def test_a_storm_of_repeats_has_one_effect_for_each_command(places: Places) -> None:
    storm(places.new())


def test_control_a_history_that_finds_no_earlier_command_is_noticed(places: Places) -> None:
    with pytest.raises(DecidedTwice):
        storm(places.new(), "NoClaims")


def one_storm(seed: int, places: Places) -> str:
    """Let one storm rage; for the long script."""
    storm(places.new(), seed=1_000 * seed)
    places.clear()
    return f"{9 * COUNT} sendings of {COUNT} commands"
