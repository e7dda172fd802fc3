"""The testing kit: scenarios for an application, and the suites that every storage engine must pass.

    scenario(app).given(UserRegistered(u, "Ada")).when(RegisterUser(u, "Ada")).then(Rejected("already_registered"))

`twofold.testing.contracts` holds the suites for engines; it alone needs pytest and hypothesis.
"""

from twofold.testing.answered import Answered
from twofold.testing.decided import Decided
from twofold.testing.scenario import Scenario, scenario

__all__ = ["Answered", "Decided", "Scenario", "scenario"]
