"""Whatever happens, cached models equal a fold from position 0, and every decision rested on what is stored."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.bank import (
    Announce,
    Audit,
    Collect,
    Deposit,
    Glance,
    Inspect,
    Link,
    Move,
    Ponder,
    Survey,
    Visit,
    Withdraw,
)
from tests.faults.rough_history import FAULTS
from tests.faults.stories import ACCOUNTS, BRANCHES, IDS, Sent, Story, tell
from tests.faults.virtual import run_virtually
from twofold import Command
from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteHistory

UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def commands() -> st.SearchStrategy[Command]:
    account = st.sampled_from(ACCOUNTS)
    amount = st.integers(1, 3)
    return st.one_of(
        st.builds(Deposit, account, amount),
        st.builds(Withdraw, account, amount),
        st.builds(Move, account, account, amount),
        st.builds(Link, account, account),
        st.builds(Inspect, account),
        st.builds(Survey, account),
        st.builds(Ponder, account, st.integers(0, 3)),
        st.builds(Glance, account),
        st.builds(Announce, account),
        st.builds(Visit, account, st.sampled_from(BRANCHES)),
        st.builds(Audit, account),
        st.builds(Collect, st.lists(account, max_size=3)),
    )


def stories(nodes: int) -> st.SearchStrategy[Story]:
    sent = st.builds(
        Sent,
        commands(),
        st.integers(0, nodes - 1),
        st.none() | st.sampled_from(IDS),
        st.none() | st.integers(0, 12),
    )
    wave = st.lists(sent, min_size=1, max_size=7).map(tuple)
    plan = st.lists(st.sampled_from(FAULTS), max_size=6).map(tuple)
    return st.builds(
        Story,
        st.lists(wave, min_size=1, max_size=4).map(tuple),
        st.tuples(*[plan] * nodes),
        st.tuples(*[st.lists(st.integers(1, 11), max_size=2).map(tuple)] * nodes),
        st.integers(0, 3),
        st.integers(0, 10_000),
        st.sampled_from([2, 3, 10_000]),
        st.sampled_from([1, 3, 200]),
    )


@settings(max_examples=400, deadline=None, suppress_health_check=UNHURRIED)
@given(stories(nodes=2))
def test_two_nodes_over_one_memory_history_keep_true_models_through_every_fault(story: Story) -> None:
    run_virtually(tell(story, [MemoryHistory()] * 3))


@settings(max_examples=25, deadline=None, suppress_health_check=UNHURRIED)
@given(stories(nodes=3))
def test_three_nodes_on_one_sqlite_folder_keep_true_models_through_every_fault(story: Story) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            histories = [SqliteHistory(Path(folder)) for _ in range(4)]
            try:
                await tell(story, histories)
            finally:
                for history in histories:
                    await history.close()

    asyncio.run(main())
