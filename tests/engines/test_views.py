"""Every view store passes the contract suite."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.conftest import duckdb_views, memory_views, postgres_views, sqlite_views, valkey_views
from twofold.testing.contracts import ViewEngine, ViewStoreContract

ENGINES: dict[str, Callable[[pytest.FixtureRequest], ViewEngine]] = {
    "memory": lambda request: memory_views(),
    "sqlite": lambda request: sqlite_views(request.getfixturevalue("folder")),
    "postgres": lambda request: postgres_views(request.getfixturevalue("emptied")),
    "valkey": lambda request: valkey_views(request.getfixturevalue("valkey_server").place),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> ViewEngine:
    return ENGINES[request.param](request)


class TestViews(ViewStoreContract): ...


def test_what_the_engines_cannot_do() -> None:
    assert memory_views().cannot == {"reopen", "share", "connect", "lease"}
    assert sqlite_views(Path).cannot == {"lease"}
    assert duckdb_views(Path).cannot == {"lease"}
    assert postgres_views(str).cannot == set()
    assert valkey_views(str).cannot == {"connect", "find", "sql", "search", "work"}
