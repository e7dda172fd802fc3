"""Conditional appends to UmaDB, a server made for dynamic consistency boundaries, through its own client.

Run by the benchmarks in the peers' environment:

    python umadb_append.py FOLDER USERS COUNT IN_FLIGHT

It starts the server that comes with the package, registers the users, then appends profile updates from so many
threads, each under the condition that its user has no event after the one it knows; nothing is loaded or decided.
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
from uuid import uuid4

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


def work(address: str, users: int, count: int, in_flight: int) -> dict[str, float]:
    """Return the seconds that the updates took, and how many events were stored."""
    client = connected(address)
    ids = [uuid4() for _ in range(users)]
    last = {}
    for number, user in enumerate(ids):
        data = json.dumps({"user_id": str(user), "name": f"User number {number}"}).encode()
        last[user] = client.append([umadb.Event("UserRegistered", data, [f"user:{user}"], uuid4())])
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
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "stored": (client.head() or 0) - users}


def main(folder: str, users: int, count: int, in_flight: int) -> None:
    """Start a server, do the work, print what was found."""
    address = f"127.0.0.1:{free_port()}"
    program = Path(sys.executable).with_name("umadb")
    with subprocess.Popen(
        [program, "--listen", address, "--db-path", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            print(json.dumps(work(f"http://{address}", users, count, in_flight)))
        finally:
            server.kill()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
