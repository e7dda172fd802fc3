"""Runs the profile application written for Protean, and says what it finds.

    python protean_work.py

Its durable event store, Message DB, is a set of functions in PostgreSQL that no package of PyPI brings; so this runs
on its event store in memory, and only shows that the application works.
"""

from __future__ import annotations

import json
from uuid import uuid4

from protean_app import GetProfile, RegisterUser, UpdateProfile, domain


def main() -> None:
    """Register, update, read: what the application is for."""
    domain.config["event_processing"] = domain.config["command_processing"] = "sync"
    domain.init(traverse=False)
    user = str(uuid4())
    with domain.domain_context():
        domain.process(RegisterUser(user_id=user, name="Ada"), asynchronous=False)
        update = UpdateProfile(user_id=user, name="Ada Lovelace", bio="the first programmer")
        domain.process(update, asynchronous=False)
        found = domain.dispatch(GetProfile(user_id=user))
        print(json.dumps({"name": found.name, "bio": found.bio, "updates": found.updates}))


if __name__ == "__main__":
    main()
