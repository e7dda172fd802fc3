"""The engines that the fault tests run on; each is a line here."""

from collections.abc import Callable, Iterator

import pytest

from tests.faults.places import Place, Places, PostgresPlace, PostgresPlaces, SqlitePlaces
from twofold.testing import PostgresServer, postgres

ENGINES: dict[str, Callable[[pytest.FixtureRequest], Places]] = {
    "sqlite": lambda request: SqlitePlaces(),
    "postgres": lambda request: PostgresPlaces(request.getfixturevalue("postgres_server")),
}


@pytest.fixture(params=ENGINES)
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    made = ENGINES[request.param](request)
    yield made
    made.clear()


@pytest.fixture
def place(places: Places) -> Place:
    return places.new()


@pytest.fixture
def databases(postgres_server: PostgresServer) -> Iterator[PostgresPlaces]:
    """Databases of the server that all tests share."""
    made = PostgresPlaces(postgres_server)
    yield made
    made.clear()


@pytest.fixture
def database_place(databases: PostgresPlaces) -> PostgresPlace:
    return databases.new()


@pytest.fixture(scope="session")
def own_server() -> Iterator[PostgresServer]:
    """A server that only the fault tests use, to be stopped and started by them."""
    with postgres({"max_prepared_transactions": "8"}) as server:
        if not server.own:
            pytest.skip("the server of TWOFOLD_TEST_POSTGRES is not ours to stop")
        yield server


@pytest.fixture
def own_databases(own_server: PostgresServer) -> Iterator[PostgresPlaces]:
    """Databases of the server that may be stopped."""
    made = PostgresPlaces(own_server)
    yield made
    made.clear()
