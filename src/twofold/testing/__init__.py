"""The testing kit: scenarios for an application, servers (PostgreSQL, Valkey), and the suites that every engine passes.

    scenario(app).given(UserRegistered(u, "Ada")).when(RegisterUser(u, "Ada")).then(Rejected("already_registered"))

    with postgres() as server:
        node = app.open(server.database())

    with valkey() as server:
        node = app.open("memory:", views=server.place())

`twofold.testing.contracts` holds the suites for engines; it alone needs pytest and hypothesis.
"""

from twofold.testing.answered import Answered
from twofold.testing.decided import Decided
from twofold.testing.postgres import PostgresServer, postgres
from twofold.testing.scenario import Scenario, scenario
from twofold.testing.valkey import ValkeyServer, valkey

__all__ = ["Answered", "Decided", "PostgresServer", "Scenario", "ValkeyServer", "postgres", "scenario", "valkey"]
