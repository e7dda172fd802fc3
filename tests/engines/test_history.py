"""Every history passes the contract suite; so does the suites' own reference."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.conftest import memory_history, sqlite_history
from tests.engines.plain import plain_engine
from twofold.testing.contracts import HistoryContract, HistoryEngine

ENGINES: dict[str, Callable[[Callable[[], Path]], HistoryEngine]] = {
    "memory": lambda folder: memory_history(),
    "sqlite": sqlite_history,
    "plain": lambda folder: plain_engine(),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, folder: Callable[[], Path]) -> HistoryEngine:
    return ENGINES[request.param](folder)


class TestHistory(HistoryContract): ...


def test_what_the_engines_cannot_do() -> None:
    assert memory_history().cannot == {"reopen", "share"}
    assert sqlite_history(Path).cannot == set()
