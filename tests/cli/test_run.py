"""`twofold run`: the application is served until it is told to stop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import ORDERS, Ended, ends, order_id, read_line, shell

Run = Callable[..., Ended]
Start = Callable[..., "subprocess.Popen[bytes]"]


def addresses(process: subprocess.Popen[bytes]) -> list[str]:
    return [read_line(process).decode().split()[-1] for _ in range(3)]


def test_it_prints_where_it_is_and_serves_commands_queries_and_documentation(start: Start) -> None:
    process = start("run", ORDERS, "--port", "0")
    http, docs, openapi = addresses(process)
    assert http.startswith("http://127.0.0.1:")
    assert (docs, openapi) == (f"{http}/docs", f"{http}/openapi.json")

    body = msgspec.json.encode({"order_id": order_id(1), "customer": "Ada"})
    request = urllib.request.Request(
        f"{http}/commands/PlaceOrder", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert msgspec.json.decode(answer.read())["position"] == 1
    with urllib.request.urlopen(openapi, timeout=60) as answer:
        assert msgspec.json.decode(answer.read())["openapi"].startswith("3.1")
    with urllib.request.urlopen(docs, timeout=60) as answer:
        assert answer.status == 200

    # Others use the same files meanwhile.
    assert shell("ask", ORDERS, "CountOrders").json == 1
    assert shell("send", ORDERS, "PlaceOrder", f"order_id={order_id(2)}", "customer=Bob").json["position"] == 2
    assert ends(process, signal.SIGTERM)[0] == 0
    assert [line["position"] for line in shell("events").lines] == [1, 2]


def test_how_many_watch_and_what_answers_are_kept_is_said_on_the_command_line(start: Start) -> None:
    process = start("run", ORDERS, "--port", "0", "--url", "memory:", "--max-watchers", "0", "--cache-answers", "0")
    http = addresses(process)[0]
    request = urllib.request.Request(f"{http}/queries/CountOrders", headers={"Accept": "text/event-stream"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    with refused.value:
        assert (refused.value.code, msgspec.json.decode(refused.value.read())["code"]) == (503, "too_many_watchers")
    with urllib.request.urlopen(f"{http}/queries/CountOrders", timeout=60) as answer:
        assert answer.status == 200
    assert ends(process, signal.SIGTERM)[0] == 0


def test_the_garbage_collector_does_not_look_at_what_starting_has_made(start: Start) -> None:
    process = start("run", "tests.cli.aside:app", "--port", "0", "--url", "memory:")
    http = addresses(process)[0]
    with urllib.request.urlopen(f"{http}/queries/CountAside", timeout=60) as answer:
        assert msgspec.json.decode(answer.read()) > 10_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0_and_without_a_traceback(start: Start, number: int) -> None:
    process = start("run", ORDERS, "--port", "0", "--host", "localhost", "--url", "memory:")
    assert addresses(process)[0].startswith("http://")
    status, err = ends(process, number)
    assert status == 0, err
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_told_without_a_traceback(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = shell("run", ORDERS, "--port", taken.getsockname()[1])
    assert ended.status == 2
    assert "cannot_listen" in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    "words",
    [
        (),
        (ORDERS, "--port", "70000"),
        (ORDERS, "--port", "http"),
        (ORDERS, "more"),
        (ORDERS, "--max-watchers", "-1"),
        (ORDERS, "--cache-answers", "some"),
    ],
)
def test_invalid_input_ends_with_2(cli: Run, words: tuple[str, ...]) -> None:
    assert cli("run", *words).status == 2


def test_a_foreign_file_in_the_historys_place_ends_with_3(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "history.db").write_bytes(b"something else entirely" * 100)
    ended = shell("run", ORDERS, "--port", "0")
    assert ended.status == 3
    assert "foreign_file" in ended.err
    assert "Traceback" not in ended.err


def test_without_a_server_installed_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None\n"
        f"from twofold.cli import main; sys.exit(main(['run', '{ORDERS}', '--url', 'memory:']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert b"pip install 'twofold[server]'" in ended.stderr
    assert b"Traceback" not in ended.stderr
