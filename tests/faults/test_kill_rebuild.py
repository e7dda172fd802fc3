"""A rebuild is killed at random moments beside a node at work: what is live is whole, and never older (R3, R5)."""

from __future__ import annotations

import asyncio

from tests.faults.killing import check_read_models
from tests.faults.places import Places
from tests.faults.rebuilding import rebuild_round


def test_rebuilds_that_are_killed_leave_the_live_rows_whole_and_queries_go_on(places: Places) -> None:
    place = places.new()
    # Where there are leases, that of each that was killed is waited for.
    asked = asyncio.run(rebuild_round(place, seed=1, kills=places.kills // 3))
    assert asked > 10
    check_read_models(place, places.new())
