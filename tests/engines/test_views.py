"""Every view store passes the contract suite."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.conftest import memory_views, sqlite_views
from twofold.testing.contracts import ViewEngine, ViewStoreContract

ENGINES: dict[str, Callable[[Callable[[], Path]], ViewEngine]] = {
    "memory": lambda folder: memory_views(),
    "sqlite": sqlite_views,
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, folder: Callable[[], Path]) -> ViewEngine:
    return ENGINES[request.param](folder)


class TestViews(ViewStoreContract): ...


def test_what_the_engines_cannot_do() -> None:
    assert memory_views().cannot == {"reopen", "share", "connect", "lease"}
    assert sqlite_views(Path).cannot == {"lease"}
