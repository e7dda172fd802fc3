"""The program as a whole: its doors, its statuses, what it prints where."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

import twofold
from tests.cli.conftest import DEADLINE, ORDERS, Ended, command_line, order_id, place, shell
from twofold import errors
from twofold.cli.status import Status, status_of

Run = Callable[..., Ended]


def test_without_a_command_and_with_help_the_commands_are_listed(cli: Run) -> None:
    for words in ((), ("--help",), ("-h",)):
        shown = cli(*words)
        assert shown.status == 0
        for name in ("run", "send", "ask", "events", "tail", "models", "describe", "new"):
            assert f" {name} " in shown.out


def test_the_version_is_the_packages() -> None:
    assert shell("--version") == Ended(0, f"{twofold.__version__}\n", "")


def test_the_installed_command_is_the_same_program() -> None:
    found = subprocess.run(
        [
            sys.executable, "-c",
            "from importlib.metadata import entry_points as e; import sys; sys.argv = ['twofold', '--version'];"
            "[door] = e(group='console_scripts', name='twofold'); sys.exit(door.load()())",
        ],
        capture_output=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stdout.decode().strip()) == (0, twofold.__version__)


@pytest.mark.parametrize("words", [("sned",), ("--colour",), ("events", "--colour"), ("describe",), ("new",)])
def test_a_line_that_cannot_be_followed_ends_with_2_and_names_the_help(cli: Run, words: tuple[str, ...]) -> None:
    ended = cli(*words)
    assert (ended.status, ended.out) == (2, "")
    assert "--help" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("package", ["cyclopts", "rich"])
def test_without_the_extra_installed_it_says_what_to_install(package: str) -> None:
    program = f"import sys; sys.modules['{package}'] = None\nfrom twofold.cli import main; sys.exit(main(['--help']))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=DEADLINE, check=False)
    assert ended.returncode == 2
    assert ended.stderr.decode().strip().endswith("pip install 'twofold[cli]'")
    assert b"Traceback" not in ended.stderr


def test_help_reads_no_application_and_imports_neither_server_nor_tables() -> None:
    program = (
        "import sys; from twofold.cli import main; main(['--help'])\n"
        "print([name for name in ('starlette', 'uvicorn', 'rich.progress', 'fastapi') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=DEADLINE, check=False)
    assert ended.stdout.decode().splitlines()[-1] == "[]"


def test_every_error_has_its_status() -> None:
    def leaves(kind: type[errors.TwofoldError]) -> list[type[errors.TwofoldError]]:
        below = kind.__subclasses__()
        return [leaf for each in below for leaf in leaves(each)] or [kind]

    found: dict[Status, set[str]] = {}
    for kind in leaves(errors.TwofoldError):
        error = kind.__new__(kind)
        found.setdefault(status_of(error), set()).add(kind.__name__)
    assert found[Status.REJECTED] == {"Rejected", "ChangedSince"}
    assert found[Status.NOT_FRESH] == {"NotFresh"}
    assert found[Status.TRY_AGAIN] == {"Contended", "Overloaded", "StillRunning", "TimedOut", "TooManyWatchers"}
    assert found[Status.FAILED] == {"HandlerFailed", "ProjectionStopped"}
    assert found[Status.STORE] == {kind.__name__ for kind in leaves(errors.StoreError)}
    assert {"InvalidMessage", "UnknownMessage", "DeclarationError", "MissingExtra"} <= found[Status.INVALID]


def test_ctrl_c_ends_a_waiting_command_with_130_and_no_traceback(cli: Run) -> None:
    place(cli)
    process = subprocess.Popen(
        command_line("send", ORDERS, "PlaceOrder", "--body", "-"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        # It has read its standard input once the pipe, which is full before, takes more.
        assert process.stdin is not None
        process.stdin.write(b" " * 200_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("events",), b"position"),
        (("models", ORDERS), b"read model"),
        (("ask", ORDERS, "ListCustomers"), b"customer"),
        (("describe", ORDERS), b"Read models"),
        (("send", ORDERS, "PlaceOrder", f"order_id={order_id(2)}", "customer=Bob"), b"accepted"),
    ],
)
def test_on_a_real_terminal_there_are_tables_and_in_a_pipe_json(cli: Run, words: tuple[str, ...], told: bytes) -> None:
    place(cli)
    piped = shell(*words)
    assert piped.out[0] in "[{"
    words = tuple(word.replace(order_id(2), order_id(3)) for word in words)
    status, shown = on_a_terminal(*words)
    assert status == 0
    assert told in shown
    assert not shown.lstrip().startswith((b"[{", b'{"'))
    assert on_a_terminal(*(word.replace(order_id(3), order_id(4)) for word in words), "--json")[1].startswith(
        (b"[{", b'{"')
    )


def test_an_error_on_a_real_terminal_is_shown_with_what_it_would_obey_escaped(cli: Run) -> None:
    place(cli)
    status, shown = on_a_terminal(
        "send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=\u009b1m", stderr=True
    )
    assert status == 1
    assert b"rejected (order_exists)" in shown
    assert b"\\x1b[31m\\x9b1m" in shown
    assert "\u009b".encode() not in shown


@pytest.mark.parametrize(
    "words",
    [
        ("--help",), ("send", ORDERS, "--help"), ("describe", ORDERS), ("describe", ORDERS, "--mermaid"),
        ("models", ORDERS), ("ask", ORDERS, "CountOrders"), ("events",), ("tail", "--after", "0"), ("new", "chores"),
        ("send", ORDERS, "PlaceOrder", f"order_id={order_id(2)}", "customer=Bob"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("color", ["", "1"])
def test_an_output_that_nobody_reads_ends_with_0_and_in_silence(cli: Run, words: tuple[str, ...], color: str) -> None:
    place(cli)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            command_line(*words), stdout=writer, stderr=subprocess.PIPE, timeout=DEADLINE, check=False,
            env={**os.environ, "FORCE_COLOR": color},
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def on_a_terminal(*words: str, stderr: bool = False) -> tuple[int, bytes]:
    """Run a command line with a real terminal for its standard output, or for its standard error."""
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            command_line(*words),
            stdout=subprocess.DEVNULL if stderr else terminal,
            stderr=terminal if stderr else subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(controller, 65536):
                shown += part
        except OSError:
            # Linux tells so that the other end is closed.
            pass
        return process.wait(DEADLINE), shown
    finally:
        os.close(controller)


def test_json_is_utf_8_and_tables_do_not_fail_whatever_the_terminals_encoding(folder: Path) -> None:
    words = ("send", ORDERS, "PlaceOrder", f"order_id={UUID(int=1)}", "customer=Zoë→")
    assert shell(*words).status == 0
    listed = shell("events", PYTHONIOENCODING="ascii")
    assert listed.lines[0]["payload"]["customer"] == "Zoë→"
    shown = shell("ask", ORDERS, "ListCustomers", PYTHONIOENCODING="ascii", FORCE_COLOR="1")
    assert (shown.status, shown.err) == (0, "")
    assert "Zo" in shown.out
    assert shell("describe", ORDERS, PYTHONIOENCODING="ascii", FORCE_COLOR="1").status == 0
