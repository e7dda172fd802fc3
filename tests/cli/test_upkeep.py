"""`twofold models rebuild | verify | parked | retry | drop`."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import orders
from tests.cli.conftest import ORDERS, Ended, order_id, place

Run = Callable[..., Ended]


def projected(cli: Run) -> None:
    """Place three orders of two customers, of whom one is poison, and project them."""
    place(cli, "Ada", 1)
    place(cli, "poison", 2)
    place(cli, "Ada", 3)
    assert cli("ask", ORDERS, "CountOrders").json == 3
    cli("ask", ORDERS, "ListCustomers")


def change(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "data" / "views.db")
    with connection:
        connection.execute(sql)
    connection.close()


def table_of(cli: Run, name: str) -> str:
    return next(str(status["table"]) for status in cli("models", ORDERS).json if status["name"] == name)


def test_a_rebuild_mends_rows_and_is_undone(cli: Run, folder: Path) -> None:
    projected(cli)
    change(folder, f"DELETE FROM \"{table_of(cli, 'Order')}\" WHERE order_id = '{order_id(1)}'")
    found = cli("models", "verify", ORDERS)
    assert found.status == 1
    [card, order] = found.json
    assert (card["model"], card["differences"], card["parked"]) == ("CustomerCard", [], 1)
    missing = {"key": f'["{order_id(1)}"]', "kind": "missing", "fields": []}
    assert order["differences"] == [missing]
    assert cli("models", "verify", ORDERS, "CustomerCard").status == 0

    rebuilt = cli("models", "rebuild", ORDERS, "Order").json
    assert (rebuilt["rows"], rebuilt["position"], rebuilt["missing"], rebuilt["differing"]) == (3, 3, 1, 0)
    assert cli("models", "verify", ORDERS, "Order").status == 0
    kept = cli("models", "list", ORDERS).json[1]["versions"]
    assert sorted((each["version"].endswith("_spare"), each["live"]) for each in kept) == [(False, True), (True, False)]

    assert cli("models", "rebuild", ORDERS, "Order", "--undo").json["rows"] == 2
    assert cli("models", "verify", ORDERS, "Order").status == 1


def test_people_are_told_in_sentences(cli: Run, people: Run, folder: Path) -> None:
    projected(cli)
    change(folder, f"UPDATE \"{table_of(cli, 'Order')}\" SET customer = 'Eve' WHERE order_id = '{order_id(1)}'")
    shown = people("models", "verify", ORDERS, "Order").out
    assert shown.splitlines() == [
        "Order: 3 rows, 1 differ", f'  ["{order_id(1)}"] is differing: customer',
    ]  # fmt: skip
    shown = people("models", "rebuild", ORDERS, "Order").out
    assert "Order is exchanged: 3 rows, live at position 3" in shown
    assert "before, 1 rows differed, 0 were missing, 0 too many" in shown
    assert "_spare" in people("models", ORDERS).out
    assert '["poison"]' in people("models", "parked", ORDERS).out


def test_what_is_parked_is_listed_retried_and_given_up(cli: Run, monkeypatch: pytest.MonkeyPatch, people: Run) -> None:
    projected(cli)
    [parked] = cli("models", "parked", ORDERS).json
    assert (parked["model"], parked["key"], parked["positions"]) == ("CustomerCard", '["poison"]', [2])
    assert cli("models", "parked", ORDERS, "Order").json == []
    left = cli("models", "retry", ORDERS, "CustomerCard", "poison")
    assert (left.status, left.json[0]["position"]) == (5, 2)
    assert "left parked at 2" in people("models", "retry", ORDERS, "CustomerCard").out

    refused = cli("models", "drop", ORDERS, "CustomerCard", "poison")
    assert refused.status == 2
    assert "--yes" in refused.err
    terminal = io.StringIO("no\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    assert cli("models", "drop", ORDERS, "CustomerCard", "poison").status == 2
    dropped = cli("models", "drop", ORDERS, "CustomerCard", "poison", "--yes")
    assert dropped.json == {"model": "CustomerCard", "key": "poison", "events": 1}
    assert cli("models", "parked", ORDERS).json == []


def test_a_mended_application_takes_up_what_was_parked(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    projected(cli)
    monkeypatch.setattr(orders, "POISON", "")
    assert cli("models", "retry", ORDERS, "CustomerCard").json == [
        {"key": '["poison"]', "events": 1, "position": None, "error": ""}
    ]
    assert cli("models", "verify", ORDERS).status == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rebuild", "Bucks"), "there is no read model named 'Bucks'"),
        (("verify", "Bucks"), "there is no read model named 'Bucks'"),
        (("rebuild", "Order", "--undo"), "nothing to go back to"),
        (("retry", "Order", "x"), "nothing is parked under that key"),
        (("drop", "Order", "x", "--yes"), "nothing is parked under that key"),
    ],
)
def test_what_cannot_be_done_is_told(cli: Run, words: tuple[str, ...], told: str) -> None:
    projected(cli)
    ended = cli("models", words[0], ORDERS, *words[1:])
    assert ended.status == 2
    assert told in ended.err


def test_without_a_history_nothing_is_made(cli: Run, folder: Path) -> None:
    assert cli("models", "verify", ORDERS).status == 3
    place(cli)
    assert "not built yet" in cli("models", "rebuild", ORDERS, "Order").err
