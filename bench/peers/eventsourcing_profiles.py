"""The profile application written for the `eventsourcing` library, as its documentation does it.

Run by the benchmarks in an environment that has the library and nothing of this repository:

    python eventsourcing_profiles.py WORK ENGINE PLACE USERS COUNT IN_FLIGHT

WORK is `commands`, `hot`, `catch-up` or `freshness`; ENGINE `sqlite` (PLACE is a file) or `postgres` (PLACE is a
`host port database user password`). It prints one JSON object: what it measured, and what it found stored afterwards.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL

_BIO = "Writes programs for machines that are not built yet; likes mathematics, music and long letters ({})."


class User(Aggregate):
    """A user with a profile."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.bio = ""

    @event("ProfileUpdated")
    def update_profile(self, name: str, bio: str) -> None:
        self.name = name
        self.bio = bio


class Profiles(Application[UUID]):
    """Commands on users."""

    def register(self, name: str) -> UUID:
        user = User(name)
        self.save(user)
        return user.id

    def update_profile(self, user_id: UUID, name: str, bio: str) -> int:
        user: User = self.repository.get(user_id)
        user.update_profile(name, bio)
        return self.save(user)[-1].notification.id


class ProfileRows(PostgresTrackingRecorder):
    """The read model: a table of profiles, each change in one transaction with its tracking."""

    def __init__(self, datastore: PostgresDatastore, **settings: Any) -> None:
        super().__init__(datastore, **settings)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS profile (user_id uuid PRIMARY KEY, name text, bio text, updates bigint)")
        )

    def register(self, user_id: UUID, name: str, tracking: Tracking) -> None:
        self._change("INSERT INTO profile VALUES (%s, %s, '', 0)", (user_id, name), tracking)

    def update_profile(self, user_id: UUID, name: str, bio: str, tracking: Tracking) -> None:
        change = "UPDATE profile SET name = %s, bio = %s, updates = updates + 1 WHERE user_id = %s"
        self._change(change, (name, bio, user_id), tracking)

    def name_of(self, user_id: UUID) -> str:
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT name FROM profile WHERE user_id = %s", (user_id,), prepare=True)
            return str(cursor.fetchone()["name"])  # type: ignore[index,call-overload]

    def counted(self) -> tuple[int, int]:
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) AS rows, coalesce(sum(updates), 0)::bigint AS updates FROM profile")
            found: Any = cursor.fetchone()
            return int(found["rows"]), int(found["updates"])

    def _change(self, statement: str, values: tuple[Any, ...], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(statement, values, prepare=True)


class ProfileProjection(Projection[ProfileRows]):
    """What keeps the read model up to date."""

    name = "profiles"
    topics = ()

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        raise TypeError(type(domain_event))

    @process_event.register
    def _(self, domain_event: User.Registered, tracking: Tracking) -> None:
        self.view.register(domain_event.originator_id, domain_event.name, tracking)

    @process_event.register
    def _(self, domain_event: User.ProfileUpdated, tracking: Tracking) -> None:
        self.view.update_profile(domain_event.originator_id, domain_event.name, domain_event.bio, tracking)


def environment(engine: str, place: str, pool: int) -> dict[str, str]:
    """Return the library's settings: its defaults, with a connection for each thread."""
    if engine == "sqlite":
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": place}
    host, port, database, user, password = place.split()
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_HOST": host, "POSTGRES_PORT": port,
        "POSTGRES_DBNAME": database, "POSTGRES_USER": user, "POSTGRES_PASSWORD": password,
        "POSTGRES_POOL_SIZE": str(pool), "POSTGRES_MAX_OVERFLOW": "10",
    }  # fmt: skip


def commands(profiles: Profiles, users: list[UUID], count: int, in_flight: int) -> dict[str, Any]:
    """Update profiles at random from so many threads; return the seconds and how many events were stored."""
    choose = random.Random(20).choice
    work = iter([(choose(users), f"User at {n}", _BIO.format(n)) for n in range(count)])
    lock = threading.Lock()
    retries = 0

    def next_one() -> tuple[UUID, str, str] | None:
        with lock:
            return next(work, None)

    def sender() -> None:
        nonlocal retries
        while (one := next_one()) is not None:
            while True:
                try:
                    profiles.update_profile(*one)
                    break
                except Exception as error:
                    if type(error).__name__ != "IntegrityError":
                        raise
                    retries += 1

    before = profiles.recorder.max_notification_id() or 0
    started = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as pool:
        for future in [pool.submit(sender) for _ in range(in_flight)]:
            future.result()
    seconds = time.perf_counter() - started
    stored = len(profiles.recorder.select_notifications(before + 1, count + 1))
    return {"seconds": seconds, "stored": stored, "retries": retries}


def durability(engine: str, place: str) -> dict[str, str]:
    """Return what a connection made with the library's settings tells of its durability."""
    if engine == "sqlite":
        connection = sqlite3.connect(place)
        return {
            name: str(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("synchronous", "journal_mode")
        }
    host, port, database, user, password = place.split()
    with psycopg.connect(host=host, port=int(port), dbname=database, user=user, password=password) as server:
        return {name: str(server.execute(f"SHOW {name}").fetchone()[0]) for name in ("fsync", "synchronous_commit")}  # type: ignore[index]


def catch_up(profiles: Profiles, settings: dict[str, str]) -> dict[str, Any]:
    """Start a runner on the history; return the seconds until it has caught up, and what the rows add up to."""
    last = profiles.recorder.max_notification_id()
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Profiles, projection_class=ProfileProjection, view_class=ProfileRows, env=settings
    ) as runner:
        runner.wait(last, timeout=600)
        seconds = time.perf_counter() - started
        rows, updates = runner.view.counted()
    return {"seconds": seconds, "rows": rows, "updates": updates}


def freshness(profiles: Profiles, settings: dict[str, str], user: UUID, count: int) -> dict[str, Any]:
    """Return the milliseconds from each save until the row was seen, by `wait()`."""
    times: list[float] = []
    with ProjectionRunner(
        application_class=Profiles, projection_class=ProfileProjection, view_class=ProfileRows, env=settings
    ) as runner:
        runner.wait(profiles.recorder.max_notification_id(), timeout=600)
        for number in range(count):
            position = profiles.update_profile(user, f"Probe {number}", "x" * 80)
            started = time.perf_counter()
            runner.wait(position, timeout=60)
            name = runner.view.name_of(user)
            times.append((time.perf_counter() - started) * 1_000)
            if name != f"Probe {number}":
                raise SystemExit("a row was not fresh after wait()")
    return {"milliseconds": times}


def main(work: str, engine: str, place: str, users: int, count: int, in_flight: int) -> None:
    """Make the users, do the work, print what was found."""
    settings = environment(engine, place, in_flight)
    profiles = Profiles(env=settings)
    ids = [profiles.register(f"User number {number}") for number in range(1 if work == "hot" else users)]
    if work in ("commands", "hot"):
        found = commands(profiles, ids, count, in_flight)
    elif work == "catch-up":
        found = commands(profiles, ids, count - users, in_flight)
        found |= catch_up(profiles, settings)
    else:
        found = freshness(profiles, settings, ids[0], count)
    profiles.close()
    print(json.dumps(found | durability(engine, place)))


if __name__ == "__main__":
    _work, _engine, _place, *_numbers = sys.argv[1:]
    main(_work, _engine, _place, *islice(map(int, _numbers), 3))
