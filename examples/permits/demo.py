"""`make demo`: the log as live traffic over HTTP, and a line a second that tells how the server keeps up."""

import itertools
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from examples.permits.log import Line, Row, lines_of, read_rows
from examples.permits.places import analytics_in
from examples.permits.sample import sample_rows
from examples.permits.server import HOST, Server
from examples.permits.traffic import Traffic
from twofold.testing import postgres

_BESIDE = Path(__file__).parents[2].parent / "shared" / "data" / "receipt.csv"


class SettingError(Exception):
    """An environment variable holds what the demo cannot use."""


class Settings(msgspec.Struct, frozen=True):
    """What the environment asks of the demo; see `python -m examples.permits demo --help`."""

    seconds: float | None
    rate: float
    port: int
    data: Path | None
    folder: Path | None
    engine: str


def settings() -> Settings:
    """Read the environment.

    Raises:
        SettingError: a number is none, or out of range.
    """
    data = os.environ.get("DEMO_DATA")
    folder = os.environ.get("DEMO_FOLDER")
    return Settings(
        seconds=_number("DEMO_SECONDS", 0.1, 1e9, None),
        rate=_number("DEMO_RATE", 0.1, 1e6, None) or 200.0,
        port=int(_number("DEMO_PORT", 0, 65_535, 8000) or 0),
        data=Path(data) if data else _BESIDE if _BESIDE.is_file() else None,
        folder=Path(folder).absolute() if folder else None,
        engine=_engine(os.environ.get("DEMO_ENGINE") or "sqlite"),
    )


def run_demo() -> int:
    """Run the demo until Ctrl-C or for DEMO_SECONDS; return the exit status.

    Raises:
        LogError, SettingError, ServerError, TrafficError: it cannot be run, or not any longer.
    """
    given = settings()
    stopping = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stopping.set())
    rows = list(sample_rows()) if given.data is None else read_rows(given.data)
    with _folder(given) as folder, _url(given, folder) as url, _nodes(given, folder, url) as nodes:
        server, *readers = nodes
        _introduce(given, rows, folder, server, readers)
        traffic = Traffic(HOST, server.port)
        try:
            seconds = _replay(given, rows, nodes, traffic, stopping)
        finally:
            traffic.stop()
        rejected = sum(traffic.rejected.values())
        _say(f"\nstopped after {seconds:.0f} s: {traffic.accepted:,} commands accepted, {rejected:,} rejected")
    return 0


def _replay(
    given: Settings, rows: list[Row], nodes: Sequence[Server], traffic: Traffic, stopping: threading.Event
) -> float:
    """Send at the pace that is asked for, and tell once a second how it goes; return how many seconds it was."""
    began = time.monotonic()
    reporter = Reporter(nodes, traffic, began)
    for number, line in enumerate(_endless(rows, nodes[0])):
        due = began + number / given.rate
        while True:
            reporter.report()
            now = time.monotonic()
            if stopping.is_set() or (given.seconds is not None and now >= began + given.seconds):
                return now - began
            if now >= due and traffic.send(line, timeout=0.1):
                break
            stopping.wait(min(0.1, max(0.0, due - now)))
    return time.monotonic() - began


class Reporter:
    """Prints a line a second: commands per second, events, and how far the read models are behind, on any node."""

    def __init__(self, nodes: Sequence[Server], traffic: Traffic, began: float) -> None:
        self._nodes = nodes
        self._traffic = traffic
        self._began = self._last = began
        self._answered = 0
        _say(f"{'time':>6} {'commands/s':>11} {'commands':>10} {'events':>10} {'lag':>6} {'rejected':>9}")

    def report(self) -> None:
        """Print the next line if it is time.

        Raises:
            ServerError, TrafficError: the server has ended, or answered what it must not.
        """
        now = time.monotonic()
        if now < self._last + 1:
            return
        for node in self._nodes:
            node.check()
        if self._traffic.problem is not None:
            raise self._traffic.problem
        rejected = sum(self._traffic.rejected.values())
        answered = self._traffic.accepted + rejected
        pace = (answered - self._answered) / (now - self._last)
        events, lag = self._standing()
        self._last, self._answered = now, answered
        _say(f"{now - self._began:5.0f}s {pace:11,.0f} {answered:10,} {events:>10} {lag:>6} {rejected:9,}")

    def _standing(self) -> tuple[str, str]:
        told = [node.get("/health/ready")[1] for node in self._nodes]
        models = [model for ready in told if isinstance(ready, dict) for model in ready.get("models", [])]
        if not models:
            return f"{self._traffic.position:,}", "?"
        head = max(each["checkpoint"] + each["lag"] for each in models)
        return f"{head:,}", f"{max(each['lag'] for each in models):,}"


def _endless(rows: list[Row], server: Server) -> Iterator[Line]:
    """Yield the log's lines again and again, each time with new case ids, and none that the history has."""
    for number in itertools.count(1):
        lines = lines_of(rows, prefix="" if number == 1 else f"{number}-")
        status, first = server.get(f"/queries/GetCase?case_id={quote(lines[0].case_id)}")
        if status != 200 or first is None:
            yield from lines


def _introduce(given: Settings, rows: list[Row], folder: Path, server: Server, readers: Sequence[Server]) -> None:
    lines = lines_of(rows)
    of = "a made-up log" if given.data is None else given.data.name
    cases = len({line.case_id for line in lines})
    [(busy, _)] = Counter(line.case_id for line in lines[:1000]).most_common(1)
    _say(f"A permit office: {cases:,} cases of {of} as {len(lines):,} commands, {given.rate:g} a second.")
    if given.engine == "postgres":
        _say("History and read models are kept on a PostgreSQL server of the demo's own, until it ends.")
    elif given.engine == "mixed":
        _say(
            "The history is kept on a PostgreSQL server of the demo's own, until it ends; each of two nodes keeps read"
        )
        _say("models of its own in SQLite files, so that queries put no load on PostgreSQL, however many nodes answer.")
    else:
        _say(f"History and read models are kept in {folder}" + ("." if given.folder else ", until the demo ends."))
    if analytics_in(folder):
        _say("What happened day by day is kept apart, for analytics: in DuckDB, in a file of each node's own.")
    if given.port not in (0, server.port):
        _say(f"Port {given.port} is taken, so it is port {server.port}; DEMO_PORT=… asks for another.")
    _say("\nOpen while it runs:")
    for path, tells in {
        "/docs": "every command and query, to read and to try",
        "/openapi.json": "the same for programs",
        "/queries/ListDepartments": "each department's load and throughput",
        "/queries/ListResources?limit=5": "who completes most steps",
        f"/queries/GetCase?case_id={quote(busy)}": "a case file with its timeline",
        "/queries/ListCases?open=true&limit=3": "the open cases, the oldest first",
        "/queries/ListDays?limit=7": "the latest days" + (", from DuckDB" if analytics_in(folder) else ""),
    }.items():
        _say(f"  {server.address + path:62} {tells}")
    for reader in readers:
        _say(f"  {reader.address + '/queries/ListDepartments':62} the same from another node, which takes no commands")
    _say("\nCtrl-C ends it.\n" if given.seconds is None else f"\nIt ends by itself after {given.seconds:g} s.\n")


def _say(text: str) -> None:
    # At once, also where the output goes into a pipe.
    print(text, flush=True)


@contextmanager
def _folder(given: Settings) -> Iterator[Path]:
    if given.folder is not None:
        yield given.folder
        return
    folder = Path(tempfile.mkdtemp(prefix="twofold-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _nodes(given: Settings, folder: Path, url: str) -> Iterator[list[Server]]:
    """Run the node that takes the commands, and those that answer queries besides."""
    port = _free(given.port)
    if given.engine == "sqlite":
        with Server(folder, port, url) as server:
            yield [server]
        return
    # Not where those of an earlier demo are kept, whose history has gone.
    with tempfile.TemporaryDirectory(prefix="nodes-", dir=folder) as name:
        first, other = Path(name, "first"), Path(name, "other")
        if given.engine == "postgres":
            with Server(first, port, url) as server:
                yield [server]
            return
        with (
            Server(first, port, url, views=_own(first)) as server,
            Server(other, 0, url, views=_own(other), roles=("read", "project", "http")) as reader,
        ):
            yield [server, reader]


def _own(folder: Path) -> dict[str, str]:
    """Return the places of a node that keeps all of its read models itself."""
    return {"": f"sqlite:///{folder}", **analytics_in(folder)}


@contextmanager
def _url(given: Settings, folder: Path) -> Iterator[str]:
    if given.engine == "sqlite":
        yield f"sqlite:///{folder}"
        return
    with postgres() as server:
        yield server.database()


def _engine(name: str) -> str:
    if name not in ("sqlite", "postgres", "mixed"):
        raise SettingError(f"DEMO_ENGINE is sqlite, postgres or mixed, found {name!r}")
    return name


def _free(port: int) -> int:
    """Return the port, or 0 (any) where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return 0
    return port


def _number(name: str, least: float, most: float, otherwise: float | None) -> float | None:
    text = os.environ.get(name, "").strip()
    if not text:
        return otherwise
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise SettingError(f"{name}: expected a number from {least:g} to {most:g}, found {text!r}")
    return number
