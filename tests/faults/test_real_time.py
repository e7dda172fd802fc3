"""Commands of several processes take positions in the order of real time (F3, H1)."""

from __future__ import annotations

import msgspec
import pytest

from tests.faults.places import Place, Places
from tests.faults.processes import workers
from tests.faults.real_time import OutOfTime, Timed, check_real_time
from tests.faults.worker import Options


def timed(place: Place, *, senders: int, each: int, seed: int = 0) -> list[Timed]:
    """Let several nodes, each a process, send commands; return those that were accepted."""
    tasks = [("load", Options(place.url, f"s{n}", each, seed + n, width=8, ids=(n + 1) << 64)) for n in range(senders)]
    with workers(tasks, "") as sending:
        lines = [line for sender in sending for line in sender.finish() if isinstance(line, list)]
    return [Timed(line[3], line[4], line[1]) for line in lines if line[1] is not None]


def test_commands_of_three_nodes_take_positions_in_the_order_of_real_time(place: Place) -> None:
    commands = timed(place, senders=3, each=1000)
    assert len(commands) > 2000
    check_real_time(commands)
    with pytest.raises(OutOfTime):
        check_real_time(with_two_exchanged(commands))


def with_two_exchanged(commands: list[Timed]) -> list[Timed]:
    """Exchange the positions of two of which one had ended when the other began: the nearest by position.

    With many under way at a time, neighbours may all overlap.
    """
    in_order = sorted(commands, key=lambda command: command.position)
    at, to = next(
        (at, at + distance)
        for distance in range(1, len(in_order))
        for at in range(len(in_order) - distance)
        if in_order[at].ended < in_order[at + distance].started
    )
    one, other = in_order[at], in_order[to]
    in_order[at] = msgspec.structs.replace(one, position=other.position)
    in_order[to] = msgspec.structs.replace(other, position=one.position)
    return in_order


def test_two_are_exchanged_though_all_neighbours_overlap() -> None:
    overlapping = [Timed(started=n, ended=n + 24.5, position=n + 1) for n in range(100)]
    check_real_time(overlapping)
    with pytest.raises(OutOfTime):
        check_real_time(with_two_exchanged(overlapping))


def one_timing(seed: int, places: Places) -> str:
    """Send from six nodes; for the long script."""
    commands = timed(places.new(), senders=6, each=5000, seed=seed * 1000)
    check_real_time(commands)
    return f"{len(commands)} commands"
