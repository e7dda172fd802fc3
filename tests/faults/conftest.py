"""The engines that the fault tests run on; each is a line here."""

from collections.abc import Callable, Iterator

import pytest

from tests.faults.places import Place, Places, SqlitePlaces

ENGINES: dict[str, Callable[[pytest.FixtureRequest], Places]] = {
    "sqlite": lambda request: SqlitePlaces(),
    # "postgres": lambda request: PostgresPlaces(request.getfixturevalue("postgres_server")),
}


@pytest.fixture(params=ENGINES)
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    made = ENGINES[request.param](request)
    yield made
    made.clear()


@pytest.fixture
def place(places: Places) -> Place:
    return places.new()
