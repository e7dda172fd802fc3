"""The database server is stopped under load and started again: nodes go on, and nothing acknowledged is lost (F10)."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.opening import node_at
from tests.faults.places import PostgresPlaces
from tests.faults.planted import KEPT_BACK
from tests.faults.planted_postgres import EarlyAnswers
from tests.faults.stopping import Load, check_after_stops, live_through
from tests.faults.stored import Lost
from twofold.testing import PostgresServer

pytestmark = pytest.mark.anyio


def test_a_node_goes_on_after_its_server_was_stopped_and_nothing_acknowledged_is_lost(
    own_server: PostgresServer, own_databases: PostgresPlaces
) -> None:
    place = own_databases.new()
    answers = asyncio.run(live_through(own_server, place, ["immediate", "fast", "immediate", "immediate", "immediate"]))
    assert len(answers.receipts) > 400
    check_after_stops(answers, own_databases, place)


async def test_control_commands_that_are_acknowledged_before_their_commit_are_missed_after_a_stop(
    own_server: PostgresServer, own_databases: PostgresPlaces
) -> None:
    place = own_databases.new()
    async with node_at(place.url, ["write"], "EarlyAnswers") as node:
        assert isinstance(node.history, EarlyAnswers)
        async with Load(node, 1) as load:
            await load.accepted(KEPT_BACK + 1)
            await asyncio.to_thread(own_server.restart, "immediate")
            with pytest.raises(Lost):
                load.answers.check(place.stored())
            node.history.late.may_come.set()
