"""`max_lag`: an answer shows everything that is older, whatever the history was asked and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.bank import Deposit, GetStatement, bank
from tests.faults.virtual import run_virtually
from tests.read.test_freshness import Both, HowOften, Ring, Stopping, bells
from twofold.errors import InvalidMessage, NotFresh, RoleMissing
from twofold.history.record import Position
from twofold.node import Node
from twofold.read.heads import Heads

Look = Callable[[], Awaitable[Position]]
# What happens one after another: so much time passes, so many events come, an answer may lag by so much.
STEPS = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3), st.floats(0, 10)), min_size=1, max_size=40)


async def live(steps: list[tuple[float, int, float]], heads: Callable[[Look], Heads]) -> int:
    """Check every answer of `Heads`; return how often the history was looked at."""
    appended: list[float] = []
    looks = 0

    async def look() -> Position:
        nonlocal looks
        looks += 1
        # The answer is on its way for a while; what comes meanwhile is not in it.
        found = len(appended)
        await asyncio.sleep(0.1)
        return found

    def arrive() -> None:
        appended.append(time())

    time = asyncio.get_running_loop().time
    known = heads(look)
    for pause, events, lag in steps:
        await asyncio.sleep(pause)
        appended += [time()] * (events // 2)
        for _ in range(events - events // 2):
            asyncio.get_running_loop().call_later(0.05, arrive)
        asked = time()
        wanted = min(await asyncio.gather(known.within(lag), known.within(lag)))
        older = sum(moment < asked - lag for moment in appended)
        assert wanted >= older, f"asked at {asked:g} for at most {lag:g} s: {wanted} of {older} events"
        assert wanted <= len(appended)
    return looks


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_an_answer_shows_every_event_that_is_older_than_the_lag(steps: list[tuple[float, int, float]]) -> None:
    run_virtually(live(steps, Heads))


def test_a_long_lag_hardly_ever_looks_at_the_history() -> None:
    assert run_virtually(live([(0.5, 1, 10.0)] * 100, Heads)) == 5


class Timeless(Heads):
    """Planted: what was seen once is good for ever."""

    def _known(self, since: float) -> Position | None:
        return super()._known(0)


class Late(Heads):
    """Planted: what was seen is dated by the end of the look, as if it were newer."""

    async def within(self, seconds: float) -> Position:
        time = asyncio.get_running_loop().time
        if (known := self._known(time() - seconds)) is None:
            known = await self._look()
            self._seen.append((time(), known))
        return known


@pytest.mark.parametrize("planted", [Timeless, Late])
def test_a_planted_bug_is_found(planted: Callable[[Look], Heads]) -> None:
    with pytest.raises(AssertionError, match="events"):
        run_virtually(live([(1.0, 1, 0.0), (0.5, 0, 0.52), (5.0, 2, 1.0), (5.0, 2, 1.0)], planted))


def slow() -> Node:
    """Return a node, not entered yet, on which one projection of two stands still."""
    node = bells.open("memory:")
    node._parts.open_views = lambda: Stopping("Stubborn")
    return node


def test_a_lag_that_is_not_kept_to_in_time_is_told_with_what_there_was() -> None:
    async def main() -> None:
        async with slow() as node:
            await node.ask(Both("a"), max_lag=0)
            await node.send(Ring("a"))
            # The history ended at 0 when it was looked at, a moment ago.
            await node.ask(Both("a"), max_lag=60, timeout=0)
            with pytest.raises(NotFresh) as caught:
                await node.ask(Both("a"), max_lag=0, timeout=0.5)
            wanted = {"model": "Stubborn", "wanted": 1, "reached": 0, "timeout": 0.5, "max_lag": 0}
            assert caught.value.facts == wanted
            await asyncio.sleep(100)
            with pytest.raises(NotFresh):
                await node.ask(Both("a"), max_lag=60)

    run_virtually(main())


def test_with_a_position_and_a_lag_both_are_kept_to() -> None:
    async def main() -> None:
        async with bells.open("memory:") as node:
            await node.ask(HowOften("a"), max_lag=60)
            receipt = await node.send(Ring("a"))
            assert await node.ask(HowOften("a"), after=receipt, max_lag=60) == 1
            await node.send(Ring("a"))
            assert (await node.answer(HowOften("a"), max_lag=0)).position == 2

    run_virtually(main())


@pytest.mark.anyio
@pytest.mark.parametrize("lag", [-1.0, float("nan"), float("inf")])
async def test_what_is_no_lag_is_refused(lag: float) -> None:
    async with bells.open("memory:") as node:
        with pytest.raises(InvalidMessage, match="expected seconds, 0 or more"):
            await node.ask(HowOften("a"), max_lag=lag)


@pytest.mark.anyio
async def test_a_node_that_may_not_see_the_history_refuses_a_lag(initialised: Callable[[], str]) -> None:
    url = initialised()
    async with bank.open(url) as node, bank.open(url, roles=["read"]) as reader:
        receipt = await node.send(Deposit("a"))
        assert await reader.ask(GetStatement("a"), after=receipt) is not None
        with pytest.raises(RoleMissing):
            await reader.ask(GetStatement("a"), max_lag=10)
