"""What the tests of the HTTP edge share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.http.client import Client, served


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/data"


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    async with served(url) as client:
        yield client
