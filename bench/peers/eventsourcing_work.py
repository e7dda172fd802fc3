"""What the benchmarks have the `eventsourcing` library do, in an environment that has nothing of this repository:

    python eventsourcing_work.py WORK MODE PLACE USERS LEVELS

WORK is `commands`, `catch-up`, `freshness` or `check`. MODE is `sqlite` (PLACE is a file), or on PostgreSQL (PLACE is
`host port database user password`) `postgres`, `postgres-fast` (its functions in the database, without its table
lock) or `dcb`. LEVELS is a JSON list of `[in flight, users, count]`. It prints one JSON object: what it measured, what
it found stored afterwards, and how durable its connections are.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import eventsourcing_app
import psycopg
from eventsourcing.projection import ProjectionRunner

_BIO = "Writes programs for machines that are not built yet; likes mathematics, music and long letters ({})."
_CONNECTIONS = 64


def environment(mode: str, place: str) -> dict[str, str]:
    """Return the library's settings: its defaults, with a connection for each of up to 64 threads."""
    if mode == "sqlite":
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": place}
    host, port, database, user, password = place.split()
    settings = {
        "PERSISTENCE_MODULE": "eventsourcing.dcb.postgres_tt" if mode == "dcb" else "eventsourcing.postgres",
        "POSTGRES_HOST": host, "POSTGRES_PORT": port, "POSTGRES_DBNAME": database, "POSTGRES_USER": user,
        "POSTGRES_PASSWORD": password, "POSTGRES_POOL_SIZE": str(_CONNECTIONS), "POSTGRES_MAX_OVERFLOW": "10",
    }  # fmt: skip
    return settings | ({"POSTGRES_ENABLE_DB_FUNCTIONS": "yes"} if mode == "postgres-fast" else {})


def opened(mode: str, settings: dict[str, str]) -> Any:
    """Return the application, on aggregates or on dynamic consistency boundaries."""
    if mode == "dcb":
        import eventsourcing_dcb_app

        return eventsourcing_dcb_app.Profiles(env=settings)
    return eventsourcing_app.Profiles(env=settings)


def send(profiles: Any, users: list[Any], count: int, in_flight: int) -> tuple[float, int]:
    """Update profiles at random from so many threads; return the seconds, and how often a conflict was tried again."""
    choose = random.Random(20).choice
    work = iter([(choose(users), f"User at {n}", _BIO.format(n)) for n in range(count)])
    lock = threading.Lock()
    retries = [0] * in_flight

    def sender(number: int) -> None:
        while True:
            with lock:
                one = next(work, None)
            if one is None:
                return
            while True:
                try:
                    profiles.update_profile(*one)
                    break
                except Exception as error:
                    if type(error).__name__ != "IntegrityError":
                        raise
                    retries[number] += 1

    started = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as pool:
        for future in [pool.submit(sender, number) for number in range(in_flight)]:
            future.result()
    return time.perf_counter() - started, sum(retries)


def stored_after(mode: str, profiles: Any, position: int) -> int:
    """Return how many events are stored after a position, whatever gaps their numbers have."""
    if mode == "dcb":
        return sum(1 for _ in profiles.recorder.read(after=position))
    return len(profiles.recorder.select_notifications(position + 1, 1_000_000))


def last_position(mode: str, profiles: Any) -> int:
    """Return the position of the last event."""
    if mode == "dcb":
        return max((event.position for event in profiles.recorder.read()), default=0)
    return int(profiles.recorder.max_notification_id() or 0)


def commands(mode: str, profiles: Any, levels: list[list[int]]) -> dict[str, Any]:
    """Make the users of each level (one: always a new one) and update them; return seconds, stored and retries."""
    found: dict[str, list[float]] = {"seconds": [], "stored": [], "retries": []}
    known: dict[int, list[Any]] = {}
    for in_flight, users, count in levels:
        if users == 1 or users not in known:
            known[users] = [profiles.register(f"User number {number}") for number in range(users)]
        before = last_position(mode, profiles)
        seconds, retries = send(profiles, known[users], count, in_flight)
        found["seconds"].append(seconds)
        found["retries"].append(retries)
        found["stored"].append(stored_after(mode, profiles, before))
    return found


def durability(mode: str, place: str) -> dict[str, str]:
    """Return what a connection made with the library's settings tells of its durability."""
    if mode == "sqlite":
        connection = sqlite3.connect(place)
        return {
            name: str(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("synchronous", "journal_mode")
        }
    host, port, database, user, password = place.split()
    with psycopg.connect(host=host, port=int(port), dbname=database, user=user, password=password) as server:
        return {name: str(server.execute(f"SHOW {name}").fetchone()[0]) for name in ("fsync", "synchronous_commit")}  # type: ignore[index]


def runner(settings: dict[str, str]) -> Any:
    """Return what keeps the read model up to date."""
    return ProjectionRunner(
        application_class=eventsourcing_app.Profiles,
        projection_class=eventsourcing_app.ProfileProjection,
        view_class=eventsourcing_app.ProfileRows,
        env=settings,
    )


def catch_up(profiles: Any, settings: dict[str, str], users: int, count: int) -> dict[str, Any]:
    """Fill a history, start a runner on it; return the seconds until it has caught up, and what the rows add up to."""
    ids = [profiles.register(f"User number {number}") for number in range(users)]
    send(profiles, ids, count - users, 16)
    last = profiles.recorder.max_notification_id()
    started = time.perf_counter()
    with runner(settings) as running:
        running.wait(last, timeout=600)
        seconds = time.perf_counter() - started
        rows = [running.view.get_profile(user) for user in ids]
    found = [row for row in rows if row is not None]
    return {"seconds": seconds, "rows": len(found), "updates": sum(row["updates"] for row in found)}


def freshness(profiles: Any, settings: dict[str, str], count: int) -> dict[str, Any]:
    """Return the milliseconds from each save until the row was seen, by `wait()`."""
    user = profiles.register("Ada")
    times: list[float] = []
    with runner(settings) as running:
        running.wait(profiles.recorder.max_notification_id(), timeout=600)
        for number in range(count):
            position = profiles.update_profile(user, f"Probe {number}", "x" * 80)
            started = time.perf_counter()
            running.wait(position, timeout=60)
            row = running.view.get_profile(user)
            times.append((time.perf_counter() - started) * 1_000)
            if row["name"] != f"Probe {number}":
                raise SystemExit("a row was not fresh after wait()")
    return {"milliseconds": times}


def check(profiles: Any, settings: dict[str, str]) -> dict[str, Any]:
    """Register, update, read: what the application is for."""
    user = profiles.register("Ada")
    position = profiles.update_profile(user, "Ada Lovelace", "the first programmer")
    with runner(settings) as running:
        running.wait(position, timeout=60)
        row = running.view.get_profile(user)
    return {"name": row["name"], "bio": row["bio"], "updates": row["updates"]}


def main(work: str, mode: str, place: str, users: int, levels: list[list[int]]) -> None:
    """Do the work, print what was found."""
    settings = environment(mode, place)
    profiles = opened(mode, settings)
    if work == "commands":
        found = commands(mode, profiles, levels)
    elif work == "catch-up":
        found = catch_up(profiles, settings, users, levels[0][2])
    elif work == "freshness":
        found = freshness(profiles, settings, levels[0][2])
    else:
        found = check(profiles, settings)
    profiles.close()
    print(json.dumps(found | durability(mode, place)))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), json.loads(sys.argv[5]))
