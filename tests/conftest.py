"""What all tests share."""

import asyncio
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.migrate import initialise
from twofold.testing import PostgresServer, ValkeyServer, postgres, valkey

# A busy machine is no failure. Every run takes the same examples, so that it says something about the change before it;
# `--hypothesis-profile=exploring` looks for new ones.
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeating", settings.get_profile("exploring"), derandomize=True)
settings.load_profile("repeating")

# What an earlier test left under way is ended first.
EMPTY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    TRUNCATE history.events, history.tags, history.ledger, history.voided, history.snapshots;
    TRUNCATE views.twofold_projections, views.twofold_parked, views.twofold_nodes;
    UPDATE history.about SET value = gen_random_uuid()::text WHERE name = 'history_id';
    DO $$ DECLARE made regclass; BEGIN
        FOR made IN SELECT oid FROM pg_class WHERE relnamespace IN ('views'::regnamespace, 'application'::regnamespace)
            AND relkind = 'r' AND relowner IN ('twofold_projector'::regrole, 'twofold_writer'::regrole)
        LOOP EXECUTE format('DROP TABLE %s CASCADE', made); END LOOP;
    END $$;
"""

# How many databases a test may use at once. Those with random steps take hundreds, one after another.
KEPT = 4


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Write lone surrogates, which some tests log, as escapes: reports go from process to process as UTF-8."""
    report = yield
    return _as_utf_8(report)


def _as_utf_8(part: Any) -> Any:
    match part:
        case str():
            return part.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_as_utf_8(key): _as_utf_8(value) for key, value in part.items()}
        case list() | tuple():
            return type(part)(_as_utf_8(each) for each in part)
        case _:
            return part


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole run; it starts with the first test that asks for it."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """One server for the whole run; it starts with the first test that asks for it."""
    with valkey() as server:
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


@pytest.fixture(scope="session")
def initialised_database(postgres_server: PostgresServer) -> str:
    """The URL of a database with Twofold's schema, to be copied: that is quicker than to make the schema each time."""
    url = postgres_server.database()
    asyncio.run(initialise(read_address(url, {})))
    return url


@pytest.fixture(scope="session")
def used_databases() -> list[str]:
    """Databases with Twofold's schema that a test has done with: emptied, they serve the next one."""
    return []


@pytest.fixture
def initialised(
    postgres_server: PostgresServer, initialised_database: str, used_databases: list[str]
) -> Iterator[Callable[[], str]]:
    """Makes databases with Twofold's schema, nothing in it, and an id of their own; returns the URL of each.

    They are used again, so a test must not change the schema.
    """
    taken: list[str] = []

    def new() -> str:
        if used_databases:
            url = used_databases.pop()
        elif len(taken) < KEPT:
            url = postgres_server.database(initialised_database)
        else:
            url = taken.pop(0)
        postgres_server.execute(EMPTY, url)
        taken.append(url)
        return url

    yield new
    used_databases.extend(taken)


@pytest.fixture
def emptied(postgres_server: PostgresServer, initialised: Callable[[], str]) -> Callable[[], str]:
    """Empties one database at each call, and returns its URL: for tests that need many, one after another."""
    made: list[str] = []

    def new() -> str:
        if made:
            postgres_server.execute(EMPTY, made[0])
        else:
            made.append(initialised())
        return made[0]

    return new
