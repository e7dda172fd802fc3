"""Stores of every engine that runs SQL of a read model's own, and time for queries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.engines.conftest import folder
from tests.patience import patient
from tests.read.takings import ENGINES
from twofold.read.store import ViewStore
from twofold.testing.contracts import ViewEngine

__all__ = ["folder", "patient"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> ViewEngine:
    return ENGINES[request.param](request)


@pytest.fixture
async def store(engine: ViewEngine) -> AsyncIterator[ViewStore]:
    async with engine.opened(engine.place()) as opened:
        yield opened
