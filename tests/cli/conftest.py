"""Running command lines: in this process, and in one of their own."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from twofold.cli import main

ROOT = Path(__file__).parents[2]
ORDERS = "tests.cli.orders:app"
DEADLINE = 60.0


class Ended(msgspec.Struct):
    """How a command line ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as one JSON value."""
        return msgspec.json.decode(self.out)

    @property
    def lines(self) -> list[Any]:
        """What it printed, as lines of JSON."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and nothing in the environment that changes what is printed."""
    ours = ("TWOFOLD_URL", "TWOFOLD_VIEWS", "TWOFOLD_TRACEBACK")
    for name in (*ours, "FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "PYTHONUNBUFFERED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ended]:
    """Run a command line in this process."""

    def run(*words: object) -> Ended:
        capfdbinary.readouterr()
        status = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return Ended(int(status), out.decode(), err.decode())

    return run


@pytest.fixture
def people(cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run a command line in this process as if on a terminal of 120 columns; what it prints comes without styles."""

    def run(*words: object) -> Ended:
        with monkeypatch.context() as patch:
            patch.setenv("FORCE_COLOR", "1")
            patch.setenv("COLUMNS", os.environ.get("COLUMNS", "120"))
            ended = cli(*words)
            return Ended(ended.status, re.sub(r"\x1b\[[0-9;]*m", "", ended.out), ended.err)

    return run


def command_line(*words: object) -> list[str]:
    """Return the words of a process that runs a command line."""
    return [sys.executable, "-m", "twofold.cli", *(str(word) for word in words)]


def shell(*words: object, stdin: str = "", **environment: str) -> Ended:
    """Run a command line in a process of its own."""
    ended = subprocess.run(
        command_line(*words),
        input=stdin.encode(),
        capture_output=True,
        env={**os.environ, **environment},
        timeout=DEADLINE,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command line in a process of its own, which is killed at the end of the test if it still runs."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*words: object, stdout: Any = subprocess.PIPE) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command_line(*words), stdout=stdout, stderr=subprocess.PIPE, bufsize=0)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def ends(process: subprocess.Popen[bytes], number: int | None = None) -> tuple[int, str]:
    """Send a signal, if one is given, wait for the process's end, and return its status and its standard error."""
    if number is not None:
        process.send_signal(signal.Signals(number))
    status = process.wait(DEADLINE)
    assert process.stderr is not None
    return status, process.stderr.read().decode()


def read_line(process: subprocess.Popen[bytes]) -> bytes:
    """Return the next line that a started process prints.

    Raises:
        AssertionError: it prints none for a minute.
    """
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([process.stdout], [], [], DEADLINE)[0], f"no line, but {line!r}"
        part = process.stdout.read(1)
        if not part:
            break
        line += part
    return line


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not, for a minute.
    """
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what}, but not within {DEADLINE:g} s"
        time.sleep(0.01)


def place(cli: Callable[..., Ended], customer: str = "Ada", number: int = 1, *more: str) -> Ended:
    """Place an order through the command line."""
    return cli("send", ORDERS, "PlaceOrder", f"order_id={order_id(number)}", f"customer={customer}", *more)


def order_id(number: int) -> str:
    """Return an order's id."""
    return f"00000000-0000-7000-8000-{number:012}"
