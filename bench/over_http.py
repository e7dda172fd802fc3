"""The whole over HTTP: commands and queries a second, with the load from another process; beside a CRUD application."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.child import ROOT, child
from bench.peers import environment
from bench.postgres.server import Server, server
from bench.result import Row, Target, check, row
from bench.rounds import Readings, Run
from bench.sizes import Sizes
from bench.workload import users

_CONNECTIONS = 64
_PEER = "FastAPI with SQLAlchemy and asyncpg, rows instead of events, on the same server"


@contextmanager
def serving(command: Sequence[object], variables: Mapping[str, str], folder: Path, port: int) -> Iterator[None]:
    """Run a server in a process of its own until the end of the block; it answers when the block begins."""
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*map(str, command)], cwd=folder, env={**os.environ, **variables}, stdout=output, stderr=output
        ) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while not _answers(port):
                problem = f"the server on port {port} did not start: {log.read_text()[-500:]}"
                check(process.poll() is None and time.monotonic() < deadline, problem)
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _load(port: int, work: str, ids: Sequence[str], count: int) -> dict[str, Any]:
    with child("bench.http_load", port, work, count, _CONNECTIONS) as generator:
        generator.tell(" ".join(ids))
        found: dict[str, Any] = generator.hear()
    check(found["statuses"] == {"200": count}, f"{work}: expected {count} answers of 200, found {found['statuses']}")
    return found


def _check_rows(name: str, port: int, ids: Sequence[str], updates: int) -> None:
    """Fail the run unless every profile is there, and together they have seen every update.

    Raises:
        WrongResult: they have not, half a minute after the last command.
    """
    deadline = time.monotonic() + 30
    while (found := [profile_over_http(port, user) for user in ids]) and time.monotonic() < deadline:
        if all(found) and sum(profile["updates"] for profile in found if profile) == updates:
            return
    counted = [profile["updates"] for profile in found if profile]
    check(False, f"{name}: {len(counted)} of {len(ids)} profiles have seen {sum(counted)} of {updates} updates")


def profile_over_http(port: int, user: str) -> dict[str, Any] | None:
    """Return a profile as a server answers it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/queries/GetProfile?user_id={user}") as answer:
        found: dict[str, Any] | None = msgspec.json.decode(answer.read())
    return found


def _works(name: str, port: int, sizes: Sizes) -> Readings:
    ids = [str(user) for user in users(max(10, min(sizes.users, sizes.requests // 4)))]
    _load(port, "RegisterUser", ids, len(ids))
    commands = _load(port, "UpdateProfile", ids, sizes.requests)
    queries = _load(port, "GetProfile", ids, sizes.requests)
    _check_rows(name, port, ids, sizes.requests)
    return {
        f"{name}, commands": sizes.requests / commands["seconds"],
        f"{name}, commands p50": commands["median"],
        f"{name}, commands p99": commands["p99"],
        f"{name}, queries": sizes.requests / queries["seconds"],
        f"{name}, queries p50": queries["median"],
        f"{name}, queries p99": queries["p99"],
    }


def _twofold(name: str, sizes: Sizes, address: str, folder: Path) -> Readings:
    port = _free_port()
    program = [sys.executable, "-m", "twofold.cli", "run", "examples.profiles.app:app", "--url", address]
    variables = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with serving([*program, "--port", port], variables, folder, port):
        return _works(name, port, sizes)


def _sqlite(sizes: Sizes, folder: Path) -> Readings:
    return _twofold("sqlite", sizes, f"sqlite:///{folder}/data", folder)


def _postgres(place: Server, sizes: Sizes, folder: Path) -> Readings:
    return _twofold("postgres", sizes, place.database(), folder)


@contextmanager
def crud_serving(place: Server, folder: Path) -> Iterator[int]:
    """Run the CRUD application on a new database; gives its port."""
    port = _free_port()
    program = [environment.python(), "-m", "uvicorn", "crud_profiles:app", "--port", port, "--no-access-log"]
    variables = {
        "TWOFOLD_BENCH_DATABASE": place.database().replace("postgresql://", "postgresql+asyncpg://"),
        "PYTHONPATH": str(ROOT / "bench" / "peers"),
    }
    with serving([*program, "--log-level", "warning"], variables, folder, port):
        yield port


def _crud(place: Server, sizes: Sizes, folder: Path) -> Readings:
    with crud_serving(place, folder) as port:
        return _works("crud", port, sizes)


def measure(run: Run) -> Sequence[Row]:
    """Measure one full node on SQLite, one on PostgreSQL, and the CRUD application, each in one process."""
    sizes = run.sizes
    with server() as place:
        series = run.interleave(
            partial(_sqlite, sizes), partial(_postgres, place, sizes), partial(_crud, place, sizes), warm_up=False
        )
    rows: list[Row] = []
    for engine, label in (("sqlite", "SQLite"), ("postgres", "PostgreSQL")):
        for work, least in (("commands", 1.5), ("queries", 2)):
            kept = f"{_CONNECTIONS} connections kept busy by another process; one process serves, decides and projects"
            own = engine == "postgres"
            latency = ", ".join(
                f"{who} {msgspec.json.encode(round(_middle(series[f'{key}, {work} {part}']), 1)).decode()} ms ({part})"
                for who, key in (("Twofold", engine), ("peer", "crud"))
                for part in ("p50", "p99")
            )
            rows.append(
                row(
                    f"HTTP, {work}, {label}", f"{sizes.requests:,} requests, {kept}", "/s", series[f"{engine}, {work}"],
                    floor=series[f"crud, {work}"], floor_measured=_PEER,
                    target=Target(ratio_at_least=least) if own else None, remark=f"Latency: {latency}.",
                )
            )  # fmt: skip
    return rows


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
