"""A node goes on through any row of faults of its connections, and tells nobody what is not so (F12, H7, R1)."""

from __future__ import annotations

import pytest

from tests.faults.places import PostgresPlaces
from tests.faults.weather import some_weather


@pytest.mark.parametrize("seed", [1, 2])
def test_a_node_goes_on_through_faults_of_all_its_connections(databases: PostgresPlaces, seed: int) -> None:
    some_weather(seed, databases, faults=12)
