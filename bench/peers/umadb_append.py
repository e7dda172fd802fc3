"""Conditional appends to UmaDB, a server made for dynamic consistency boundaries, through its own client.

Run by the benchmarks in the peers' environment:

    python umadb_append.py FOLDER LEVELS

LEVELS is a JSON list of `[in flight, users, count]`. It starts the server that comes with the package, and for each
level registers new users, then appends profile updates from so many threads, each under the condition that its user
has no event after the one it knows; nothing is loaded or decided. Threads take turns at a user, so none conflicts.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import umadb

_BIO = "Writes programs for machines that are not built yet; likes mathematics, music and long letters ({})."


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def connected(address: str) -> umadb.Client:
    """Return a client as soon as the server answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client = umadb.Client(address)
            client.head()
            return client
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def commands(address: str, levels: list[list[int]]) -> dict[str, list[float]]:
    """Return, for each level, the seconds that the updates took, and how many events were stored."""
    client = connected(address)
    found: dict[str, list[float]] = {"seconds": [], "stored": []}
    known: dict[int, dict[UUID, int]] = {}
    for in_flight, users, count in levels:
        if users == 1 or users not in known:
            known[users] = registered(client, users)
        before = client.head() or 0
        found["seconds"].append(appended(client, known[users], count, in_flight))
        found["stored"].append((client.head() or 0) - before)
    return found


def registered(client: umadb.Client, users: int) -> dict[UUID, int]:
    """Register new users; return the position of each one's last event."""
    last: dict[UUID, int] = {}
    for number in range(users):
        user = uuid4()
        data = json.dumps({"user_id": str(user), "name": f"User number {number}"}).encode()
        last[user] = client.append([umadb.Event("UserRegistered", data, [f"user:{user}"], uuid4())])
    return last


def appended(client: umadb.Client, last: dict[UUID, int], count: int, in_flight: int) -> float:
    """Return the seconds that the updates of users took; notes the position of each one's last event."""
    ids = list(last)
    choose = random.Random(20).choice
    updates = iter([(choose(ids), n) for n in range(count)])
    lock = threading.Lock()
    one_each = {user: threading.Lock() for user in ids}

    def sender() -> None:
        while True:
            with lock:
                one = next(updates, None)
            if one is None:
                return
            user, number = one
            fields = {"user_id": str(user), "name": f"User at {number}", "bio": _BIO.format(number)}
            tag = f"user:{user}"
            event = umadb.Event("ProfileUpdated", json.dumps(fields).encode(), [tag], uuid4())
            boundary = umadb.Query([umadb.QueryItem(tags=[tag])])
            with one_each[user]:
                last[user] = client.append([event], umadb.AppendCondition(boundary, last[user]))

    started = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as pool:
        for future in [pool.submit(sender) for _ in range(in_flight)]:
            future.result()
    return time.perf_counter() - started


def main(folder: str, levels: list[list[int]]) -> None:
    """Start a server, do the work, print what was found."""
    address = f"127.0.0.1:{free_port()}"
    program = Path(sys.executable).with_name("umadb")
    with subprocess.Popen(
        [program, "--listen", address, "--db-path", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            print(json.dumps(commands(f"http://{address}", levels)))
        finally:
            server.kill()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
