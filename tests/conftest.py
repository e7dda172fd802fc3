"""What all tests share."""

from collections.abc import Callable, Iterator

import pytest

from twofold.testing import PostgresServer, postgres


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole run; it starts with the first test that asks for it."""
    with postgres() as server:
        yield server


@pytest.fixture
def new_database(postgres_server: PostgresServer) -> Iterator[Callable[[], str]]:
    """Makes databases, which are gone after the test; returns the URL of each."""
    made: list[str] = []

    def new() -> str:
        made.append(postgres_server.database())
        return made[-1]

    yield new
    for url in made:
        postgres_server.drop(url)


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of a database that is new and empty."""
    return new_database()
