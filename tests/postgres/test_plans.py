"""What a call costs does not grow with the history, whatever the planner believed when the tables were empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.postgres.planting import Change
from tests.postgres.raw import Connection, append, connected, value
from twofold.engines.postgres.batch import sides
from twofold.engines.postgres.statements import statement
from twofold.history.boundary import EVERYTHING, Selection
from twofold.history.record import Position
from twofold.history.store import Decision
from twofold.testing.contracts.making import command, decided, event, on, one

pytestmark = pytest.mark.anyio

LENGTH = 4_000
TOUCHED = """
    SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_all_tables WHERE schemaname = 'history'
"""
LONG, RARE, COMMON = on("x:all"), on(types=["Rare"]), on(types=["Common"])
SELECTIONS: dict[str, tuple[Selection, Position, int]] = {
    "everything": (EVERYTHING, 2_000, 10),
    "a long tag": (LONG, 2_000, 10),
    "two tags": (on(one("x:one", "x:all")), 0, 10),
    "a rare type": (RARE, 0, 10),
    "a rare type after most of the history": (RARE, 3_000, 10),
    "a common type": (COMMON, 2_000, 10),
    "several": (Selection((*RARE.criteria, *LONG.criteria)), 2_000, 10),
}


async def fill(connection: Connection) -> None:
    """Make a long history, on a connection whose plans were made for an empty one and are kept."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    for criteria, after, most in SELECTIONS.values():
        await connection.fetch(statement("read"), *sides(criteria.criteria), after, 1 << 40, most)
    for start in range(0, LENGTH, 1_000):
        made = [event("Common", "x:all", f"x:{n}") for n in range(start, start + 1_000)]
        made[500] = event("Rare", "x:one", "x:all")
        await append(connection, *[decided(each, on=on("x:none"), after=start, by=command()) for each in made])


async def touched(connection: Connection, sql: str, *values: object) -> int:
    """Return how many rows of the history's tables a statement looked at."""
    transaction = connection.transaction()
    await transaction.start()
    before = await value(connection, TOUCHED)
    await connection.fetch(sql, *values)
    after = await value(connection, TOUCHED)
    await transaction.rollback()
    return int(after - before)


async def read_rows(connection: Connection) -> dict[str, int]:
    return {
        name: await touched(connection, statement("read"), *sides(selection.criteria), after, LENGTH, most)
        for name, (selection, after, most) in SELECTIONS.items()
    }


async def append_rows(connection: Connection) -> int:
    """Return how many rows an append of one decision looks at where others have appended since."""
    decisions: list[Decision] = [decided(event(), on=each, after=LENGTH - 10) for each in (on("x:none"), RARE, LONG)]
    before = await value(connection, TOUCHED)
    await append(connection, *decisions)
    return int(await value(connection, TOUCHED) - before)


async def test_reading_and_appending_look_at_few_rows(initialised: Callable[[], str]) -> None:
    async with connected(initialised(), "NONE") as connection:
        await fill(connection)
        for _ in range(2):
            found = await read_rows(connection)
            assert {name: rows for name, rows in found.items() if rows > 45} == {}
            assert await append_rows(connection) <= 20
            # As the server does by itself, sooner or later: what it knows of the tables then changes nothing.
            await connection.execute(ANALYSED)


ANALYSED = "ANALYZE history.events, history.tags, history.ledger"
SCANS: Change = ("SET enable_seqscan = off SET enable_bitmapscan = off", "SET enable_indexscan = off SET jit = off")
BY_POSITION_ALONE: Change = (
    "WHERE (e.type, e.position) > (wanted.type, after) AND (e.type, e.position) <= (wanted.type, until)\n"
    "            ORDER BY e.type, e.position",
    "WHERE e.type = wanted.type AND e.position > after AND e.position <= until ORDER BY e.position",
)


async def test_a_function_that_scans_is_found(planted: Callable[[Sequence[Change]], str]) -> None:
    async with connected(planted([SCANS]), "NONE") as connection:
        await fill(connection)
        assert max((await read_rows(connection)).values()) >= LENGTH / 2


async def test_a_function_that_trusts_what_is_known_of_the_tables_is_found(
    planted: Callable[[Sequence[Change]], str],
) -> None:
    async with connected(planted([BY_POSITION_ALONE]), "NONE") as connection:
        await fill(connection)
        await connection.execute(ANALYSED)
        assert (await read_rows(connection))["a rare type"] >= LENGTH
