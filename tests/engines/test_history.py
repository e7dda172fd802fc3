"""Every history passes the contract suite; so does the suites' own reference."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.conftest import memory_history, postgres_history, sqlite_history
from tests.engines.plain import plain_engine
from twofold.testing.contracts import HistoryContract, HistoryEngine

ENGINES: dict[str, Callable[[pytest.FixtureRequest], HistoryEngine]] = {
    "memory": lambda request: memory_history(),
    "sqlite": lambda request: sqlite_history(request.getfixturevalue("folder")),
    "postgres": lambda request: postgres_history(request.getfixturevalue("initialised")),
    "plain": lambda request: plain_engine(),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> HistoryEngine:
    return ENGINES[request.param](request)


class TestHistory(HistoryContract): ...


def test_what_the_engines_cannot_do() -> None:
    assert memory_history().cannot == {"reopen", "share", "transact"}
    assert sqlite_history(Path).cannot == set()
    assert postgres_history(str).cannot == set()
