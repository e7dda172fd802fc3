"""What all suites share: their event loop, and the fixtures that open what is under test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from twofold.history.store import History
from twofold.testing.contracts.engine import HistoryEngine


class Suite:
    """Tests that run on asyncio. The engine's module gives a fixture named `engine`."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio, which is what Twofold is made for."""
        return "asyncio"


class HistorySuite(Suite):
    """Tests of a history; `history` is a new one for each test."""

    @pytest.fixture
    async def history(self, engine: HistoryEngine) -> AsyncIterator[History]:
        """Open a history that is empty."""
        async with engine.opened(engine.place()) as history:
            yield history
