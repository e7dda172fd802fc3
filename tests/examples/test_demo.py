"""The demo as a process: it serves, tells how it goes, and ends as it is asked to, with nothing left behind."""

import http.client
import itertools
import os
import re
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from examples.permits import demo
from examples.permits.app import app
from examples.permits.demo import SettingError, settings
from examples.permits.log import lines_of
from examples.permits.reports import ListCases
from examples.permits.sample import sample_rows
from examples.permits.server import HOST, Server
from examples.permits.traffic import Traffic

ROOT = Path(__file__).parents[2]
CASES = 12
_ADDRESS = r"http://127\.0\.0\.1:(\d+)(/\S+)"


@pytest.fixture
def small_log(tmp_path: Path) -> Path:
    return log_of(CASES, tmp_path / "small.csv")


def log_of(cases: int, path: Path) -> Path:
    rows = list(sample_rows(cases))
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    return path


class Demo:
    """A running demo."""

    def __init__(self, log: Path, **environment: object) -> None:
        given = {"DEMO_DATA": log, "DEMO_PORT": 0, "TMPDIR": log.parent, **environment}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DEMO_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.permits", "demo"],
            cwd=ROOT,
            env=kept | {name: str(value) for name, value in given.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read on until a line matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no line matches {pattern!r}:\n{self.said}\n{self.process.communicate()[1]}")

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return status, all that it said, and its complaints."""
        said, complaints = self.process.communicate(timeout=60)
        return self.process.returncode, self.said + said, complaints


@contextmanager
def running(log: Path, **environment: object) -> Iterator[Demo]:
    it = Demo(log, **environment)
    try:
        yield it
    finally:
        it.process.kill()
        it.process.communicate()


def status_of(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(addresses: list[tuple[str, str]]) -> list[int]:
    """Return the status of what is at each port and path."""
    return [status_of(int(port), path) for port, path in addresses]


def servers_of(it: Demo) -> list[psutil.Process]:
    return psutil.Process(it.process.pid).children(recursive=True)


def have_ended(servers: list[psutil.Process]) -> bool:
    """Tell whether none of them runs: whether a port is taken tells less, for somebody else may have it by then."""
    return soon(lambda: not any(map(runs, servers)))


def runs(process: psutil.Process) -> bool:
    try:
        # In a container without an init an ended process may stay as an entry that nobody waits for.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def heads_at(server: Server) -> set[int]:
    """Return how far the history is by each read model's account."""
    models: list[dict[str, int]] = []

    def told() -> bool:
        status, ready = server.get("/health/ready")
        models.extend(ready["models"] if status == 200 else [])
        return status == 200

    assert soon(told)
    return {model["checkpoint"] + model["lag"] for model in models}


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(("engine", "nodes"), [("postgres", 1), ("mixed", 2)])
def test_it_runs_on_a_postgresql_server_of_its_own(small_log: Path, engine: str, nodes: int) -> None:
    with running(small_log, DEMO_ENGINE=engine, DEMO_RATE=20) as it:
        it.wait_for(r"^ +\d+s +\S+ +[1-9]")
        addresses = re.findall(_ADDRESS, it.said)
        assert {*answers(addresses)} == {200}
        servers = servers_of(it)
        it.process.terminate()
        status, said, complaints = it.end()
    assert len({port for port, _ in addresses}) == nodes
    assert (status, complaints) == (0, "")
    [(accepted, rejected)] = re.findall(r"stopped after \d+ s: (\d+) commands accepted, (\d+) rejected", said)
    assert int(accepted) > 0
    assert int(rejected) == 0
    assert len(servers) > nodes
    assert have_ended(servers)


def test_it_ends_by_itself_with_status_0_and_nothing_is_left(small_log: Path) -> None:
    with running(small_log, DEMO_SECONDS=1.5, DEMO_RATE=20) as it:
        it.wait_for("rejected")
        servers = servers_of(it)
        folder = re.search(r"kept in (.+), until", it.said)
        status, said, complaints = it.end()

    assert (status, complaints) == (0, "")
    assert re.search(r"^ +\d+s +\d+ +\d+ +\d+ +\d+ +0$", said, re.MULTILINE)
    assert re.search(r"stopped after \d+ s: [1-9]\d* commands accepted, 0 rejected", said)
    assert folder is not None
    assert not Path(folder[1]).exists()
    assert have_ended(servers)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_address_answers_and_a_signal_ends_it_with_status_0_without_a_traceback_or_a_server_left_over(
    number: signal.Signals, small_log: Path
) -> None:
    with running(small_log, DEMO_RATE=20) as it:
        it.wait_for(r"^ +\d+s ")
        assert answers(re.findall(_ADDRESS, it.said)) == [200] * 7
        [server] = servers_of(it)
        # To the whole group, as a terminal does at Ctrl-C.
        os.killpg(it.process.pid, number)
        status, said, complaints = it.end()

    assert (status, complaints) == (0, "")
    assert "commands accepted" in said
    assert have_ended([server])


def test_the_server_ends_when_the_demo_is_killed(small_log: Path) -> None:
    with running(small_log, DEMO_RATE=20) as it:
        port = int(it.wait_for(r"127\.0\.0\.1:(\d+)/docs")[1])
        assert listens(port)
        [server] = servers_of(it)
        it.process.kill()

        assert have_ended([server])


def test_the_demo_ends_with_what_the_server_said_when_the_server_is_killed(small_log: Path) -> None:
    with running(small_log, DEMO_RATE=20) as it:
        it.wait_for("/docs")
        [server] = servers_of(it)
        server.kill()
        status, _, complaints = it.end()

    assert status == 1
    assert complaints.startswith("ServerError: the server ended with status -9")


def test_every_command_counts_once_although_the_server_is_killed_amid_the_traffic(tmp_path: Path) -> None:
    lines = lines_of(sample_rows(60))
    with Server(tmp_path, 0) as first:
        port = first.port
        traffic = Traffic(HOST, port)
        try:
            for line in lines[: len(lines) // 2]:
                assert traffic.send(line, timeout=60)
            first.process.kill()
            with Server(tmp_path, port) as second:
                for line in lines[len(lines) // 2 :]:
                    assert traffic.send(line, timeout=60)
                assert soon(lambda: traffic.accepted == len(lines) or traffic.problem is not None)
                heads = heads_at(second)
        finally:
            traffic.stop()

    assert (traffic.problem, traffic.rejected) == (None, {})
    assert heads == {len(lines)}


class Swallower(socketserver.BaseRequestHandler):
    """Passes on what client and server say, and breaks the connection instead of passing on every fifth answer."""

    answers = itertools.count(1)

    def handle(self) -> None:
        with socket.create_connection((HOST, self.server.upstream)) as server:  # type: ignore[attr-defined]
            while True:
                ready, _, _ = select.select([self.request, server], [], [])
                said = ready[0].recv(65536)
                if not said or (ready[0] is server and next(self.answers) % 5 == 0):
                    return
                (self.request if ready[0] is server else server).sendall(said)


def test_every_command_counts_once_although_answers_get_lost(tmp_path: Path) -> None:
    lines = lines_of(sample_rows(CASES))
    with Server(tmp_path, 0) as it, socketserver.ThreadingTCPServer((HOST, 0), Swallower) as proxy:
        proxy.upstream = it.port  # type: ignore[attr-defined]
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        traffic = Traffic(HOST, proxy.server_address[1])
        try:
            for line in lines:
                assert traffic.send(line, timeout=60)
            assert soon(lambda: traffic.accepted == len(lines) or traffic.problem is not None)
            heads = heads_at(it)
        finally:
            traffic.stop()
            proxy.shutdown()

    assert (traffic.problem, traffic.rejected) == (None, {})
    assert heads == {len(lines)}


def test_the_server_ends_with_status_0_when_it_is_told_to_and_when_its_input_ends(tmp_path: Path) -> None:
    with Server(tmp_path, 0) as told:
        pass
    with Server(tmp_path, 0) as let_go:
        assert let_go.process.stdin is not None
        let_go.process.stdin.close()
        let_go.process.wait(60)

    assert (told.process.returncode, let_go.process.returncode) == (0, 0)


def test_a_taken_port_is_told_and_another_one_is_used(small_log: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(small_log, DEMO_SECONDS=0.2, DEMO_PORT=port) as it:
            status, said, _ = it.end()

    assert status == 0
    assert f"Port {port} is taken, so it is port" in said


@pytest.mark.anyio
async def test_a_log_that_is_used_up_begins_again_with_new_cases_also_in_the_next_run(tmp_path: Path) -> None:
    # Of one case, whose commands go one after another: of more, those of many rounds may be under way at once.
    log, commands = log_of(1, tmp_path / "one.csv"), len(lines_of(sample_rows(1)))
    heads = [0]
    for _ in range(2):
        accepted = 0
        with running(log, DEMO_RATE=400, DEMO_FOLDER=tmp_path / "kept") as it:
            while accepted <= 2 * commands:
                accepted = int(it.wait_for(r"^ +\d+s +\S+ +([\d,]+)")[1].replace(",", ""))
            it.process.terminate()
            status, said, complaints = it.end()
        assert (status, complaints) == (0, "")
        assert ", 0 rejected" in said
        async with app.open(f"sqlite:///{tmp_path}/kept") as node:
            heads.append(await node.caught_up())
            cases = await node.ask(ListCases(limit=200))
        # The round that was cut short may be sent again in part; nothing else is.
        assert heads[-1] - heads[-2] > accepted - commands
        assert len(cases) > 2


def test_a_setting_that_makes_no_sense_is_told_and_nothing_is_started(small_log: Path) -> None:
    with running(small_log, DEMO_RATE="fast") as it:
        status, said, complaints = it.end()

    assert (status, said) == (1, "")
    assert complaints == "SettingError: DEMO_RATE: expected a number from 0.1 to 1e+06, found 'fast'\n"


def test_a_made_up_log_is_taken_where_the_real_one_is_not_at_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DEMO_DATA", "DEMO_SECONDS", "DEMO_PORT", "DEMO_RATE", "DEMO_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(demo, "_BESIDE", tmp_path / "nothing.csv")

    given = settings()

    assert (given.data, given.seconds, given.rate, given.port, given.folder) == (None, None, 200.0, 8000, None)


@pytest.mark.parametrize("text", ["-1", "nan", "1e99", "ten"])
def test_numbers_out_of_range_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_SECONDS", text)

    with pytest.raises(SettingError, match="DEMO_SECONDS"):
        settings()
