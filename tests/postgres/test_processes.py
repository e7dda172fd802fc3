"""Nodes in processes of their own on one database: one writes, one projects, one answers."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import ORDERS, Ended, cli, ends, folder, order_id, read_line, start
from twofold.testing import PostgresServer

__all__ = ["cli", "folder", "start"]

Start = Callable[..., "subprocess.Popen[bytes]"]
MIXED = "each node's own read models"


@pytest.fixture
def place(postgres_server: PostgresServer, initialised_database: str) -> Iterator[str]:
    url = postgres_server.database(initialised_database)
    yield url
    postgres_server.drop(url)


def address_of(process: subprocess.Popen[bytes]) -> str:
    http, _, _ = (read_line(process).decode().split()[-1] for _ in range(3))
    return http


def get(url: str, after: int | None = None) -> Any:
    request = urllib.request.Request(
        url, headers={} if after is None else {"Twofold-After": str(after), "Twofold-Timeout": "30"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return msgspec.json.decode(answer.read())


def place_order(http: str, number: int) -> int:
    body = msgspec.json.encode({"order_id": order_id(number), "customer": "Ada"})
    request = urllib.request.Request(f"{http}/commands/PlaceOrder", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        position: int = msgspec.json.decode(answer.read())["position"]
        return position


@pytest.mark.parametrize("how", ["", "?notify=off", MIXED])
def test_a_receipt_of_one_node_makes_another_wait_for_what_a_third_projects(
    start: Start, place: str, monkeypatch: pytest.MonkeyPatch, folder: Path, how: str
) -> None:
    mixed = how == MIXED
    # In the environment, where a password is not seen by other users of the machine.
    monkeypatch.setenv("TWOFOLD_URL", place + ("" if mixed else how))
    writer = start("run", ORDERS, "--role", "write", "--role", "http", "--port", "0")
    if mixed:
        monkeypatch.setenv("TWOFOLD_VIEWS", f"sqlite:///{folder}/views")
        projectors = []
        answering: list[str] = ["--role", "read", "--role", "project", "--role", "http"]
    else:
        projector = start("run", ORDERS, "--role", "project")
        projectors = [projector]
        assert re.fullmatch(rb".+ runs project\n", read_line(projector))
        answering = ["--role", "read", "--role", "http"]
    reader = start("run", ORDERS, *answering, "--port", "0")
    writing, reading = address_of(writer), address_of(reader)
    for number in range(1, 21):
        position = place_order(writing, number)
        assert get(f"{reading}/queries/CountOrders", position) == number
    assert get(f"{writing}/health/ready")["models"] == []
    assert all(model["live"] for model in get(f"{reading}/health/ready")["models"])
    for url, asked in ((f"{writing}/queries/CountOrders", None), (f"{reading}/commands/PlaceOrder", b"{}")):
        request = urllib.request.Request(url, asked, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert refused.value.code in (503, 422)
        refused.value.close()
    started = [writer, reader, *projectors]
    assert [ends(process, signal.SIGTERM)[0] for process in started] == [0] * len(started)


def test_shell_commands_work_on_a_database_as_on_files(
    place: str, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Ended]
) -> None:
    monkeypatch.setenv("TWOFOLD_URL", place)
    sent = cli("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=Ada")
    assert (sent.status, sent.json["position"]) == (0, 1)
    assert cli("ask", ORDERS, "CountOrders").json == 1
    assert [line["position"] for line in cli("events").lines] == [1]
    assert all(model["head"] == 1 for model in cli("models", ORDERS).json)
