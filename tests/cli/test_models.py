"""`twofold models`: how each read model stands, without touching any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ORDERS, Ended, place
from twofold.cli.models import _SAMPLE, _show, _with_rates
from twofold.node import ModelStatus
from twofold.read.store import SegmentStatus

Run = Callable[..., Ended]


def test_before_anything_was_projected_all_read_models_lag_behind_and_no_file_is_made(cli: Run, folder: Path) -> None:
    place(cli)
    place(cli, "Bob", 2)
    found = cli("models", ORDERS)
    assert found.status == 0
    for status in found.json:
        wanted = {"rows": 0, "checkpoint": 0, "head": 2, "lag": 2, "live": False, "parked": 0, "problem": None}
        assert {name: status[name] for name in wanted} == wanted
    assert [status["name"] for status in found.json] == ["CustomerCard", "Order"]
    assert not (folder / "data" / "views.db").exists()


def test_rows_checkpoint_lag_and_parked_keys_are_told(cli: Run) -> None:
    place(cli, "Ada", 1)
    place(cli, "poison", 2)
    assert cli("ask", ORDERS, "CountOrders").json == 2
    assert cli("ask", ORDERS, "ListCustomers").json == [{"customer": "Ada", "orders": 1}]
    place(cli, "Ada", 3)

    card, order = cli("models", ORDERS).json
    assert (card["rows"], card["checkpoint"], card["lag"], card["live"], card["parked"]) == (1, 2, 1, True, 1)
    assert (order["rows"], order["checkpoint"], order["lag"], order["live"], order["parked"]) == (2, 2, 1, True, 0)
    assert (order["head"], order["table"].partition("__")[0]) == (3, "order")


def test_what_a_store_keeps_no_rate_of_is_told_by_looking_twice(
    cli: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    place(cli)
    assert [status["rate"] for status in cli("models", ORDERS).json] == [0, 0]
    assert cli("ask", ORDERS, "CountOrders").json == 1
    assert [status["rate"] for status in cli("models", ORDERS).json] == [0, 0]

    def at(*checkpoints: int, rate: float | None = None) -> ModelStatus:
        segments = [SegmentStatus(each) for each in checkpoints]
        return ModelStatus("Box", "box", 0, min(checkpoints), 900, 0, True, 0, rate=rate, segments=segments)

    found = _with_rates(at(100, 300), at(200, 800))
    assert (found.rate, [each.rate for each in found.segments]) == (100 / _SAMPLE, [100 / _SAMPLE, 500 / _SAMPLE])
    assert _with_rates(at(100, rate=7), at(200, rate=7)).rate == 7
    _show([found])
    assert ["Box", "0", "200", "0", "yes", "-", "200"] in [
        row.split() for row in capfdbinary.readouterr().out.decode().splitlines()
    ]


def test_looking_projects_nothing(cli: Run) -> None:
    place(cli)
    for query in ("CountOrders", "ListCustomers"):
        cli("ask", ORDERS, query)
    place(cli, "Bob", 2)
    for _ in range(2):
        assert [status["lag"] for status in cli("models", ORDERS).json] == [1, 1]


def test_people_get_a_table(cli: Run, people: Run) -> None:
    place(cli, "poison", 1)
    cli("ask", ORDERS, "CountOrders")
    cli("ask", ORDERS, "ListCustomers")
    shown = people("models", ORDERS).out.splitlines()
    rows = [line.split() for line in shown if line.strip()]
    assert rows[0] == ["read", "model", "rows", "checkpoint", "lag", "live", "parked", "problem"]
    assert rows[2:] == [
        ["CustomerCard", "0", "1", "0", "yes", "1"],
        ["Order", "1", "1", "0", "yes", "-"],
        ["the", "history", "ends", "at", "position", "1"],
    ]


def test_an_application_that_needs_objects_provided_is_looked_at_without_them(cli: Run, folder: Path) -> None:
    place(cli)
    (folder / "needy.py").write_text(
        "from tests.cli.orders import CancelOrder, Order, OrderCancelled, app as orders\n"
        "from twofold import App\n"
        "class Mailer: ...\n"
        "app = App('needy')\n"
        "app.read_model(Order)\n"
        "@app.command\n"
        "def cancel(command: CancelOrder, mailer: Mailer) -> OrderCancelled: ...\n"
    )
    assert [status["name"] for status in cli("models", "needy").json] == ["Order"]
    assert cli("ask", ORDERS, "CountOrders").json == 1
    assert [status["rows"] for status in cli("models", "needy").json] == [1]
    sent = cli("send", "needy", "CancelOrder", "order_id=00000000-0000-7000-8000-000000000001", "reason=x")
    assert sent.status == 2
    assert "nothing of type Mailer was provided" in sent.err


@pytest.mark.parametrize("words", [("models",), ("models", ORDERS, "more"), ("models", "no_such_module")])
def test_invalid_input_ends_with_2(cli: Run, words: tuple[str, ...]) -> None:
    assert cli(*words).status == 2
