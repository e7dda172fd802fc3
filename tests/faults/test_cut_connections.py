"""The connection goes wrong at any message of an append: senders are told the truth in time (F12, H7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import cast

import asyncpg
import pytest

from tests.faults.clock import Clock
from tests.faults.cutting import (
    PATIENCE,
    UNREACHED,
    Case,
    at_every_message,
    check,
    hasty,
    live_through,
    made,
    of_append,
    told,
    until_appended,
)
from tests.faults.messages import Message
from tests.faults.opening import open_history
from tests.faults.places import PostgresPlaces
from tests.faults.planted_postgres import NEVER_VOID
from tests.faults.proxy import ACTS, Act, Fault, Proxy
from tests.faults.stored import Lost
from twofold.engines.postgres.history import PostgresHistory
from twofold.errors import OutcomeUnknown, StoreFailed
from twofold.history.store import Appended
from twofold.testing import PostgresServer

pytestmark = pytest.mark.anyio

# What a sender may be told, by what goes wrong.
TOLD: dict[Act, set[type]] = {
    "reset": {Appended, StoreFailed},
    "torn": {Appended, StoreFailed},
    "half_closed": {Appended, StoreFailed},
    "black_hole": {OutcomeUnknown},
    "held": {Appended, StoreFailed, OutcomeUnknown},
    "delayed": {Appended},
}


_CAN_END_HALF_SENT = "SELECT current_setting('transaction_timeout', true)"


@pytest.fixture(scope="module")
def urls(postgres_server: PostgresServer) -> Iterator[list[str]]:
    """Several databases, so that the locks of one lost append do not hold others up."""
    places = PostgresPlaces(postgres_server)
    yield [places.new().url for _ in range(4)]
    places.clear()


@pytest.fixture
async def histories(urls: list[str]) -> AsyncIterator[list[PostgresHistory]]:
    opened = [await open_history(url) for url in urls]
    yield cast("list[PostgresHistory]", opened)
    for history in opened:
        await history.close()


@pytest.mark.parametrize("act", ACTS)
async def test_at_every_message_of_an_append_its_sender_is_told_the_truth(
    histories: list[PostgresHistory], act: Act
) -> None:
    # The first append of a connection prepares the statement, the second one is the shortest.
    first, second = await at_every_message(histories, act), await at_every_message(histories, act, earlier=1)
    assert len(first) > len(second) >= 6
    assert {type(answer) for answer in first + second} <= TOLD[act]


async def test_messages_that_come_after_the_deadline_have_no_effect_once_nothing_was_said_to_be_stored(
    histories: list[PostgresHistory],
) -> None:
    answers = await at_every_message(histories, "delayed", earlier=1, seconds=PATIENCE)
    assert {Appended, StoreFailed} <= {type(answer) for answer in answers}


@pytest.mark.parametrize("act", ["reset", "torn", "held"])
async def test_at_every_message_of_a_transaction_that_appends_its_sender_is_told_the_truth(
    histories: list[PostgresHistory], act: Act
) -> None:
    answers = await at_every_message(histories, act, earlier=1, pooled=True)
    assert len(answers) >= 9
    assert {type(answer) for answer in answers} <= TOLD[act]


@pytest.mark.parametrize("pooled", [False, True], ids=["one statement", "a transaction"])
async def test_an_append_that_was_cut_off_half_way_does_not_keep_its_lock_for_ever(
    histories: list[PostgresHistory], urls: list[str], pooled: bool
) -> None:
    if not pooled and (await histories[0]._server.fetch(_CAN_END_HALF_SENT))[0][0] is None:
        pytest.skip("a server older than PostgreSQL 17 keeps the lock of a statement that was sent in part")
    async with Proxy(urls[0]) as proxy:
        history = await hasty(proxy.url, deadline=1.0)
        history._server._session.pooled = pooled
        await until_appended(history)
        # The append has run, but what would end its transaction does not arrive.
        fault = proxy.fault = Fault("held", 1, of=lambda message: _would_commit(message, pooled))
        decision = made()
        answer = await told(history, decision)
        assert fault.has_struck
        await until_appended(histories[0])
        proxy.mend()
        await proxy.quiet()
        await check(histories[0], decision, answer)
        await history.close()


def _would_commit(message: Message, pooled: bool) -> bool:
    return of_append(message) and (message.statement == "COMMIT" if pooled else message.kind == "S")


async def test_control_where_given_up_appends_are_not_remembered_they_come_late_after_all(
    histories: list[PostgresHistory], urls: list[str]
) -> None:
    connection = await asyncpg.connect(urls[0])
    try:
        await connection.execute(NEVER_VOID)
        with pytest.raises(Lost, match="told that nothing was stored"):
            await live_through(histories[0], Case("held", 1, earlier=1, deadline=UNREACHED), Clock())
    finally:
        await connection.execute("DROP RULE never ON history.voided")
        await connection.close()
