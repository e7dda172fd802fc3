"""A process that runs one side of an application is told to end while it works: `twofold run --role …` and SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.cli.conftest import DEADLINE, ends, read_line, until
from tests.cli.held import GetNotes, Held, Keep, Kept, app
from twofold.node import ModelStatus

HELD = "tests.cli.held:app"
MANY = 8
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# However slow the machine is, what is under way is given the time.
PATIENT = f"from twofold.http import serve; serve.__kwdefaults__['grace'] = {DEADLINE}"
UNDRAINED = "from twofold.node import Node; Node.drain = lambda self: None"

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data"
    made: str = request.getfixturevalue("initialised")()
    return made


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start `twofold run` with some roles, and with a bug if one is planted."""
    started: list[subprocess.Popen[bytes]] = []
    # In the environment, where a password is not seen by other users of the machine.
    monkeypatch.setenv("TWOFOLD_URL", url)

    def start(*roles: str, planted: str = "") -> subprocess.Popen[bytes]:
        code = f"{PATIENT}\n{planted}\nimport sys\nfrom twofold.cli import main\nsys.exit(main(sys.argv[1:]))"
        words = [word for role in roles for word in ("--role", role)]
        command = [sys.executable, "-c", code, "run", HELD, *words, "--port", "0"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def let_go(process: subprocess.Popen[bytes], count: int = 1) -> None:
    """Let so many of those that wait go on."""
    assert process.stdin is not None
    process.stdin.write(b"." * count)


def wait_for(process: subprocess.Popen[bytes], line: bytes) -> None:
    """Return when a process has said something."""
    while (said := read_line(process)) != line:
        assert said, process.communicate()


class Sender:
    """Sends one command over a connection of its own."""

    def __init__(self, address: str, note: str, *, held: Held = "") -> None:
        parts = urlsplit(address)
        assert parts.hostname is not None
        self.note = note
        self._body = msgspec.json.encode({"note": note, "held": held})
        self._http = HTTPConnection(parts.hostname, parts.port, timeout=DEADLINE)

    def send(self) -> None:
        self._http.request("POST", "/commands/Keep", self._body, {"Content-Type": "application/json"})

    def begin(self) -> None:
        """Send all but the end, and return when the server waits for that."""
        self._http.putrequest("POST", "/commands/Keep")
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(self._body)))):
            self._http.putheader(name, value)
        self._http.putheader("Expect", "100-continue")
        self._http.endheaders()
        found = b""
        while len(found) < len(CONTINUE):
            part = self._http.sock.recv(len(CONTINUE) - len(found))
            assert part, found
            found += part
        assert found == CONTINUE
        self._http.send(self._body[:-1])

    def end(self) -> None:
        """Send the end of what was begun."""
        self._http.send(self._body[-1:])

    def answer(self) -> tuple[HTTPResponse, dict[str, object]]:
        """Return what the server answered."""
        response = self._http.getresponse()
        told: dict[str, object] = msgspec.json.decode(response.read())
        self._http.close()
        return response, told


def is_refused(address: str) -> bool:
    """Tell whether nobody listens any more."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname, parts.port or 0), DEADLINE):
            return False
    except ConnectionRefusedError:
        return True


def ended_while_it_decides(
    process: subprocess.Popen[bytes],
) -> tuple[dict[str, object], list[tuple[HTTPResponse, dict[str, object]]]]:
    """End a process that takes commands; return the positions of those acknowledged, and what the late ones were told.

    Some commands are being decided by then, and some have not come in whole.
    """
    address = read_line(process).decode().split()[-1]
    waiting = [Sender(address, f"waiting-{n}", held="deciding") for n in range(MANY)]
    late = [Sender(address, f"late-{n}") for n in range(MANY)]
    for sender in waiting:
        sender.send()
    for _ in waiting:
        wait_for(process, b"deciding\n")
    for sender in late:
        sender.begin()
    process.send_signal(signal.SIGTERM)
    # It does not listen any more when it has asked its clients to leave.
    until(lambda: is_refused(address), "nobody listens")
    for sender in late:
        sender.end()
    refused = [sender.answer() for sender in late]
    let_go(process, MANY)
    acknowledged: dict[str, object] = {}
    for sender in waiting:
        response, told = sender.answer()
        assert response.status == 200, told
        acknowledged[sender.note] = told["position"]
    status, err = ends(process)
    assert status == 0, err
    assert "Traceback" not in err
    return acknowledged, refused


async def stored(url: str, until: int | None = None) -> dict[str, list[int]]:
    """Return the positions of each note in a history."""
    found: dict[str, list[int]] = {}
    async with app.open(url, roles=["write"]) as node:
        async for recorded in node.events(until=until):
            event = app.codec.decode(recorded)
            assert isinstance(event, Kept)
            found.setdefault(event.note, []).append(recorded.position)
    return found


def test_a_writing_side_answers_what_it_decides_and_refuses_what_comes(run: Start, url: str) -> None:
    acknowledged, refused = ended_while_it_decides(run("write", "http"))
    assert {(response.status, told["code"]) for response, told in refused} == {(503, "node_closed")}
    assert {response.headers["connection"] for response, _ in refused} == {"close"}
    assert asyncio.run(stored(url)) == {note: [position] for note, position in acknowledged.items()}


def test_a_planted_bug_is_found_a_writing_side_that_takes_commands_to_the_end(run: Start) -> None:
    _, refused = ended_while_it_decides(run("write", "http", planted=UNDRAINED))
    assert {response.status for response, _ in refused} == {200}


@pytest.mark.parametrize("role", ["write", "read", "project"])
def test_a_side_that_listens_on_no_port_ends_with_0(run: Start, role: str) -> None:
    process = run(role)
    assert read_line(process).endswith(f" runs {role}\n".encode())
    status, err = ends(process, signal.SIGTERM)
    assert status == 0, err
    assert "Traceback" not in err


async def keep(url: str, held: Held) -> int:
    """Store notes, of which one is held, and return where the history ends then."""
    async with app.open(url, roles=["write"]) as node:
        await asyncio.gather(*(node.send(Keep(f"note-{n}", held if n == MANY else "")) for n in range(2 * MANY)))
        return await node.history.head()


async def left_by(url: str) -> tuple[dict[str, list[int]], ModelStatus]:
    """Return the rows that a process has left, and how their read model stands."""
    async with app.open(url, roles=["read"]) as node:
        [status] = await node.models(details=True)
        return await node.ask(GetNotes()), status


async def caught_up(url: str, head: int) -> dict[str, list[int]]:
    """Return the rows when another process has projected all."""
    async with app.open(url, roles=["read"]) as node:
        return await node.ask(GetNotes(), after=head, timeout=DEADLINE)


def test_a_projecting_side_leaves_whole_batches_and_nothing_that_another_waits_for(run: Start, url: str) -> None:
    asyncio.run(keep(url, ""))
    process = run("project")
    assert len(asyncio.run(caught_up(url, 2 * MANY))) == 2 * MANY
    asyncio.run(keep(url, "folding"))
    wait_for(process, b"folding\n")
    head = asyncio.run(keep(url, ""))
    process.send_signal(signal.SIGTERM)
    let_go(process)
    status, err = ends(process)
    assert status == 0, err
    assert "Traceback" not in err

    rows, standing = asyncio.run(left_by(url))
    assert standing.holder is None
    assert rows == asyncio.run(stored(url, standing.checkpoint))
    other = run("project")
    # As often as it folds that event, at most.
    let_go(other, MANY)
    assert asyncio.run(caught_up(url, head)) == asyncio.run(stored(url))
    assert ends(other, signal.SIGTERM)[0] == 0
