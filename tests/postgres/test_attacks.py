"""What somebody tries beyond plain verbs: names that shadow others, forged appends, settings that lose commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.faults.bank import Deposit, bank
from tests.postgres.catalog import rows
from tests.postgres.evil import evil
from tests.postgres.probes import Connection
from twofold.clock import new_uuid
from twofold.engines.postgres import migrate, schema
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.batch import parameters
from twofold.engines.postgres.statements import statement
from twofold.history.boundary import Condition, Criterion, Selection
from twofold.history.record import Proposed, Submission
from twofold.history.store import Decision
from twofold.testing import PostgresServer

pytestmark = pytest.mark.anyio


def hostile(server: PostgresServer, url: str, path: str) -> None:
    """Let every new session look for unqualified names in an attacker's schema first."""
    name = url.rpartition("/")[2]
    server.execute(evil() + f"ALTER DATABASE {name} SET search_path = {path}", url)


async def used(url: str, folder: object) -> None:
    """Run a node through all that it does with its history."""
    async with bank.open(url, views=f"sqlite:///{folder}") as node:
        first = new_uuid()
        receipt = await node.send(Deposit("a"), command_id=first)
        assert (await node.send(Deposit("a"), command_id=first)).repeated
        assert await node.history.find(("", "", first)) in (None, receipt.position)
        assert [event.position async for event in node.events(tags=["account:a"])] == [1]
        assert await node.caught_up() == 1


async def test_the_attackers_schema_works(database: str, postgres_server: PostgresServer) -> None:
    """The control: whoever looks for names there first is attacked."""
    hostile(postgres_server, database, "evil, pg_catalog")
    for attacked in ("SELECT now()", "SELECT 1 = 1", "SELECT 'a'::text || 'b'::text"):
        with pytest.raises(asyncpg.RaiseError, match="attacked"):
            await rows(database, attacked)


@pytest.mark.parametrize("path", ["evil, pg_catalog", "evil"])
async def test_a_database_is_made_ready_and_used_whatever_the_search_path(
    new_database: Callable[[], str], postgres_server: PostgresServer, tmp_path: Any, path: str
) -> None:
    url = new_database()
    hostile(postgres_server, url, path)
    address = read_address(url, {})
    assert len(await migrate.initialise(address)) == len(schema.MIGRATIONS)
    assert await migrate.initialise(address) == []
    assert (await migrate.status(address)).pending == ()
    await used(url, tmp_path)


async def test_temporary_objects_of_a_writers_shadow_nothing(writer: Connection) -> None:
    for name in ("events", "tags", "ledger", "about", "voided"):
        await writer.execute(
            f"CREATE TEMP TABLE {name} (position bigint, type text, name text, value text, entry bigint)"
        )
    await writer.execute(
        "CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT to_timestamp(0) $$;"
        "SET search_path = pg_temp, pg_catalog"
    )
    assert [row[:2] for row in await append(writer, deposits(3))] == [(0, 0)]
    assert await writer.fetchval("SELECT history.head()") == 3
    assert await writer.fetchval("SELECT count(*) FROM pg_temp.events") == 0


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("SET synchronous_commit = off", "needs synchronous_commit"),
        ("SET default_transaction_isolation = 'repeatable read'", "needs READ COMMITTED"),
        ("SET default_transaction_isolation = 'serializable'", "needs READ COMMITTED"),
    ],
)
async def test_settings_that_make_appends_unsafe_are_refused(writer: Connection, setting: str, problem: str) -> None:
    await writer.execute(setting)
    with pytest.raises(asyncpg.RaiseError, match=problem):
        await append(writer, deposits(1))
    assert await writer.fetchval("SELECT history.head()") == 0


# What is wrong, and the parameters of history.append that say so; of two commands with an event and a tag each.
FORGED: dict[str, dict[str, object]] = {
    "events of decisions that there are not": {"event_decisions": [7, -1]},
    "events of no decision": {"event_decisions": [None, None]},
    "fewer decisions than events": {"event_decisions": [1]},
    "no events though some are counted": {"counts": [5, 5]},
    "events that are not counted": {"counts": [0, 0]},
    "events counted for another": {"counts": [2, 0]},
    "a negative count": {"counts": [-1, 3]},
    "no count": {"counts": [None, 2]},
    "more decisions than events": {"event_decisions": [1, 2, 2]},
    "fewer types than events": {"event_types": ["Deposited"]},
    "tags of events that there are not": {"tag_events": [7, -1]},
    "tags of no event": {"tag_events": [None, None]},
    "fewer tags than places": {"tag_names": ["account:b"]},
    "an outcome that there is not": {"outcomes": ["stored", "accepted"]},
    "events of a rejection": {"outcomes": ["rejected", "rejected"]},
    "no outcome": {"outcomes": [None, None]},
    "a condition beyond the head": {"afters": [99, 99]},
    "a condition before the beginning": {"afters": [-5, -5]},
    "conditions on later decisions": {"seens": [9, 9]},
    "criteria of decisions that there are not": {"criterion_decisions": [9, 9]},
    "one id twice": {"command_ids": [UUID(int=1)] * 2, "firsts": [True, True]},
    "nothing at all": {"command_ids": None, "event_decisions": None, "tag_events": None, "criterion_decisions": None},
}


@pytest.mark.parametrize("forged", FORGED)
async def test_a_forged_append_is_refused_or_leaves_a_true_history(writer: Connection, place: str, forged: str) -> None:
    await append(writer, deposits(2))
    [[names]] = await rows(place, "SELECT proargnames::text[] FROM pg_proc WHERE proname = 'append'")
    assert isinstance(names, list)
    values, sql = parameters(new_uuid(), deposits(2)), statement("append")
    for name, value in FORGED[forged].items():
        number = names.index(name) + 1
        values[number - 1], sql = value, sql.replace(f"${number}::text::", f"${number}::")
    try:
        await writer.fetch(sql, *values)
    except (asyncpg.PostgresError, asyncpg.DataError):
        assert await writer.fetchval("SELECT history.head()") == 2
    assert await inconsistencies(place) == []
    # And whoever comes after it is none the worse for it.
    head = await writer.fetchval("SELECT history.head()")
    assert (await append(writer, deposits(1)))[0][0] == head
    assert await inconsistencies(place) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM history.events WHERE position = 1",
        "DELETE FROM history.tags WHERE position = 2",
        "INSERT INTO history.tags VALUES ('', 'a:b', 9, 'Deposited')",
        "UPDATE history.ledger SET position = 9 WHERE entry = 2",
        "UPDATE history.ledger SET first = 0 WHERE entry = 1",
        "DELETE FROM history.ledger WHERE entry = 1",
        "UPDATE history.events SET command_id = gen_random_uuid() WHERE position = 2",
    ],
)
async def test_a_history_that_is_not_true_is_noticed(
    writer: Connection, place: str, postgres_server: PostgresServer, damage: str
) -> None:
    """The planted bugs for the test above."""
    await append(writer, deposits(2))
    assert await inconsistencies(place) == []
    postgres_server.execute(damage, place)
    assert await inconsistencies(place) != []


_CHECKS = {
    "positions are dense": "SELECT 1 FROM history.events HAVING count(*) <> coalesce(max(position), 0)",
    "entries are dense": "SELECT 1 FROM history.ledger HAVING count(*) <> coalesce(max(entry), 0)",
    "every tag is an event's, with its type": """
        SELECT 1 FROM (SELECT t.tag, t.position, t.type FROM history.tags AS t) AS t
        FULL JOIN (SELECT jsonb_array_elements_text(tags::jsonb) AS tag, position, type FROM history.events) AS e
        USING (tag, position, type) WHERE t.* IS NULL OR e.* IS NULL""",
    "every event is an accepted command's, at its positions": """
        SELECT 1 FROM history.events AS e WHERE NOT EXISTS (
            SELECT FROM history.ledger AS l WHERE l.command_id = e.command_id AND l.outcome = 'accepted'
            AND e.position BETWEEN l.first AND l.position)""",
    "a command's positions are those of its events, or the head where it has none": """
        SELECT 1 FROM history.ledger AS l LEFT JOIN (
            SELECT command_id, min(position) AS first, max(position) AS last FROM history.events GROUP BY 1) AS e
        USING (command_id)
        WHERE l.first <> coalesce(e.first, l.position + 1) OR l.position <> coalesce(e.last, l.position)
        OR l.position NOT BETWEEN 0 AND (SELECT coalesce(max(position), 0) FROM history.events)""",
    "no event is the same as another": "SELECT event_id FROM history.events GROUP BY 1 HAVING count(*) > 1",
}


async def inconsistencies(url: str) -> list[str]:
    """Return what is not true of the stored history, as its superuser sees it."""
    return [name for name, question in _CHECKS.items() if await rows(url, question)]


def deposits(number: int) -> list[Decision]:
    return [
        Decision(
            Submission(new_uuid(), "Deposit", b'{"account":"a"}'),
            Condition(Selection((Criterion(types=("Withdrawn",)),))),
            (Proposed(new_uuid().bytes, "Deposited", 1, ("account:a",), b'{"account":"a"}'),),
        )
        for _ in range(number)
    ]


async def append(writer: Connection, decisions: list[Decision]) -> list[Any]:
    return [tuple(row) for row in await writer.fetch(statement("append"), *parameters(new_uuid(), decisions))]


@pytest.fixture
def place(initialised: Callable[[], str]) -> str:
    return initialised()


@pytest.fixture
async def writer(place: str) -> AsyncIterator[Connection]:
    """A connection that may do what a writer may, and nothing else."""
    connection = await asyncpg.connect(place)
    await connection.execute("SET SESSION AUTHORIZATION twofold_writer")
    yield connection
    connection.terminate()
