"""Positions follow real time: what ended before something else began comes before it."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

import msgspec


class Timed(msgspec.Struct, frozen=True):
    """A command that was accepted: between which times its sender waited, and the position that it reached."""

    started: float
    ended: float
    position: int


class OutOfTime(AssertionError):
    """A command that began after another had ended comes before it in the history."""


def check_real_time(commands: Iterable[Timed]) -> None:
    """Check that no command comes before one that had ended when it began.

    Raises:
        OutOfTime: one does.
    """
    under_way: list[tuple[float, int]] = []
    reached = 0
    for command in sorted(commands, key=lambda command: command.started):
        while under_way and under_way[0][0] < command.started:
            reached = max(reached, heappop(under_way)[1])
        if command.position <= reached:
            raise OutOfTime(f"position {command.position} began at {command.started}, after {reached} had ended")
        heappush(under_way, (command.ended, command.position))
