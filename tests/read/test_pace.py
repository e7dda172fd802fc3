"""Pace: how long slices of work are, and how many turns of the event loop others have between two of them."""

from __future__ import annotations

import asyncio

import pytest

from twofold.read.pace import Pace
from twofold.traffic import Traffic, traffic_here

pytestmark = pytest.mark.anyio


class Clock:
    """Moves only when somebody works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for place in ("twofold.read.pace.perf_counter", "twofold.traffic.perf_counter"):
        monkeypatch.setattr(place, clock)
    return clock


async def turns_of_a_pause(pace: Pace, clock: Clock, *, each: float = 0.0, many: int = 100) -> int:
    """Return how many turns of the loop somebody else, who works so many seconds in each of many, has in a pause."""
    taken = 0

    async def work() -> None:
        nonlocal taken
        for _ in range(many):
            clock.now += each
            taken += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(work())
    try:
        await pace.pause()
        return taken
    finally:
        task.cancel()


def slice_of(pace: Pace, clock: Clock) -> float:
    """Return for how long work goes on before the next pause is due, to a hundredth of a millisecond."""
    began = clock.now
    while not pace.is_due():
        clock.now += 0.00001
    return round(clock.now - began, 5)


async def test_alone_it_goes_on_at_once_and_for_long(clock: Clock) -> None:
    pace = Pace()
    assert pace.is_due()
    assert await turns_of_a_pause(pace, clock) == 1
    assert not pace.is_due()
    assert slice_of(pace, clock) == pytest.approx(0.001, abs=0.00002)


async def test_little_work_after_a_wait_needs_no_pause(clock: Clock) -> None:
    pace = Pace()
    clock.now += 1
    pace.begin()
    assert slice_of(pace, clock) == pytest.approx(0.001, abs=0.00002)
    with traffic_here():
        pace.begin()
        assert slice_of(pace, clock) == pytest.approx(0.0001, abs=0.00002)


async def test_others_who_work_have_their_turns(clock: Clock) -> None:
    pace = Pace()
    assert await turns_of_a_pause(pace, clock, each=0.00005, many=7) == 7
    assert slice_of(pace, clock) == pytest.approx(0.001, abs=0.00002)


async def test_in_traffic_others_have_many_turns_and_slices_are_short(clock: Clock) -> None:
    pace = Pace()
    with traffic_here():
        assert await turns_of_a_pause(pace, clock) == 24
        assert slice_of(pace, clock) == pytest.approx(0.0001, abs=0.00002)


async def test_traffic_is_expected_again_for_a_moment(clock: Clock) -> None:
    pace = Pace()
    with traffic_here():
        pass
    clock.now += 0.049
    assert await turns_of_a_pause(pace, clock) == 24
    clock.now += 0.002
    assert await turns_of_a_pause(pace, clock) == 1


async def test_a_quarter_of_the_time_is_left_however_much_others_do(clock: Clock) -> None:
    pace = Pace()
    with traffic_here():
        began = clock.now
        assert await turns_of_a_pause(pace, clock, each=0.0015) == 2
        paused = clock.now - began
        assert slice_of(pace, clock) == pytest.approx(paused / 3, abs=0.00002)


async def test_each_who_is_on_the_way_counts(clock: Clock) -> None:
    traffic = traffic_here()
    assert traffic is traffic_here()
    assert not traffic.is_dense()
    with traffic:
        with traffic:
            assert traffic.is_dense()
        clock.now += 1
        assert traffic.is_dense()
    clock.now += 1
    assert not traffic.is_dense()


def test_every_event_loop_has_its_own() -> None:
    async def here() -> Traffic:
        return traffic_here()

    assert asyncio.run(here()) is not asyncio.run(here())


async def test_commands_and_queries_are_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.read.test_isolation import Bump, HowOften, bumping

    seen: list[bool] = []

    class Watched(Traffic):
        def __exit__(self, *details: object) -> None:
            seen.append(self.is_dense())
            super().__exit__(None, None, None)

    watched = Watched()
    for place in ("twofold.node", "twofold.read.asking"):
        monkeypatch.setattr(f"{place}.traffic_here", lambda: watched)
    async with bumping.open("memory:") as node:
        await node.send(Bump("a"))
        assert len(seen) == 1
        await node.ask(HowOften("a"))
        assert len(seen) == 2
