"""What the suites of view stores share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from twofold.read.store import ViewStore
from twofold.testing.contracts.engine import ViewEngine
from twofold.testing.contracts.suite import Suite


class ViewSuite(Suite):
    """Tests of a view store; `store` is a new one for each test."""

    @pytest.fixture
    async def store(self, engine: ViewEngine) -> AsyncIterator[ViewStore]:
        """Open a store that is empty."""
        async with engine.opened(engine.place()) as store:
            yield store

    @pytest.fixture
    def finds(self, engine: ViewEngine) -> None:
        """Skip the test where the engine does not find rows by any of their fields."""
        engine.needs("find")

    @pytest.fixture
    def takes_sql(self, engine: ViewEngine) -> None:
        """Skip the test where the engine answers no SQL."""
        engine.needs("sql")

    @pytest.fixture
    def searches(self, engine: ViewEngine) -> None:
        """Skip the test where the engine does not search for words."""
        engine.needs("search")
