"""Databases with mistakes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.postgres.planting import Change, plant
from twofold.testing import PostgresServer


@pytest.fixture
def planted(postgres_server: PostgresServer, initialised_database: str) -> Iterator[Callable[[Sequence[Change]], str]]:
    """Makes databases with Twofold's schema and mistakes in its functions; returns the URL of each."""
    made: list[str] = []

    def new(changes: Sequence[Change]) -> str:
        made.append(postgres_server.database(initialised_database))
        plant(postgres_server, made[-1], changes)
        return made[-1]

    yield new
    for url in made:
        postgres_server.drop(url)
