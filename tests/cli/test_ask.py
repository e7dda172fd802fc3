"""`twofold ask`: the answer rests on all that is stored, or on what is asked for, or there is none."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ORDERS, Ended, ends, order_id, place, read_line, shell

Run = Callable[..., Ended]


def test_a_query_sees_what_was_sent_before_although_nobody_projected_it_in_between(cli: Run) -> None:
    for number in range(1, 4):
        place(cli, "Ada", number)
        assert cli("ask", ORDERS, "CountOrders").json == number


def test_an_answer_is_one_line_of_json_in_a_pipe() -> None:
    sent = shell("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=Ada")
    assert sent.status == 0
    asked = shell("ask", ORDERS, "GetOrder", f"order_id={order_id(1)}")
    assert (asked.status, asked.err) == (0, "")
    assert asked.out.count("\n") == 1
    assert asked.json == {
        "order_id": order_id(1), "customer": "Ada", "lines": [], "gift": False, "cancelled": None,
    }  # fmt: skip
    assert shell("ask", ORDERS, "GetOrder", "--order-id", order_id(2)).json is None


def test_a_list_of_records_is_a_table_for_people(cli: Run, people: Run) -> None:
    for number, customer in enumerate(("Bob", "Ada", "Ada"), 1):
        place(cli, customer, number)
    shown = people("ask", ORDERS, "ListCustomers")
    rows = [line.split() for line in shown.out.splitlines() if line.strip()]
    assert rows[0] == ["customer", "orders"]
    assert rows[2:] == [["Ada", "2"], ["Bob", "1"], ["2", "rows"]]
    assert people("ask", ORDERS, "ListCustomers", "--json").json[0] == {"customer": "Ada", "orders": 2}


def test_a_record_and_a_nested_one_are_shown_field_by_field_for_people(cli: Run, people: Run) -> None:
    place(cli, "Ada", 1)
    place(cli, "Bob", 2, 'lines=[{"item": "pen", "count": 2}]')
    flat = people("ask", ORDERS, "GetOrder", f"order_id={order_id(1)}").out
    assert ["customer", "Ada"] in [line.split() for line in flat.splitlines()]
    nested = people("ask", ORDERS, "GetOrder", f"order_id={order_id(2)}").out
    assert "lines" in nested
    assert "item  pen" in nested
    assert "count  2" in nested


def test_no_answer_and_a_number_are_shown_as_such_for_people(cli: Run, people: Run) -> None:
    place(cli)
    assert people("ask", ORDERS, "GetOrder", f"order_id={order_id(2)}").out == "nothing\n"
    assert people("ask", ORDERS, "CountOrders").out == "1\n"


def test_what_a_terminal_would_obey_is_escaped_for_people(cli: Run, people: Run) -> None:
    place(cli, "\x1b]0;evil\x07\u009b1m\u202e[bold]x")
    for words in (("GetOrder", f"order_id={order_id(1)}"), ("ListCustomers",)):
        shown = people("ask", ORDERS, *words).out
        assert "\\x1b]0;evil\\x07\\x9b1m\\u202e[bold]x" in shown
        assert not {"\x1b", "\x07", "\u009b", "\u202e"} & set(shown)


def test_the_next_pages_cursor_is_told_beside_the_answer_and_leads_there(cli: Run) -> None:
    for number, customer in enumerate(("Ada", "Bob", "Eve"), 1):
        place(cli, customer, number)
    first = cli("ask", ORDERS, "ListCustomers", "limit=2")
    assert [row["customer"] for row in first.json] == ["Ada", "Bob"]
    cursor = first.err.removeprefix("next page: ").strip()
    second = cli("ask", ORDERS, "ListCustomers", "limit=2", f"after={cursor}")
    assert [row["customer"] for row in second.json] == ["Eve"]
    assert second.err == ""


def test_a_position_that_is_not_reached_in_time_ends_with_4(cli: Run) -> None:
    place(cli)
    # Else the read model may not even be built in that time, which is told in other words.
    assert cli("ask", ORDERS, "CountOrders").json == 1
    asked = cli("ask", ORDERS, "CountOrders", "--after", "99", "--timeout", "0.05")
    assert (asked.status, asked.out) == (4, "")
    assert "not_fresh" in asked.err
    assert "asked for was 99" in asked.err


def test_a_position_that_is_reached_is_answered_at(cli: Run) -> None:
    place(cli)
    for after in ("0", "1"):
        assert cli("ask", ORDERS, "CountOrders", "--after", after).json == 1


def test_a_lag_is_kept_to(cli: Run) -> None:
    place(cli)
    assert cli("ask", ORDERS, "CountOrders", "--max-lag", "0").json == 1
    assert cli("ask", ORDERS, "CountOrders", "--max-lag", "-1").status == 2


def test_the_past_is_asked_by_position_and_by_time(cli: Run) -> None:
    place(cli, "Ada")
    cli("send", ORDERS, "CancelOrder", f"order_id={order_id(1)}", "reason=changed my mind")
    asked = ("ask", ORDERS, "GetOrder", f"order_id={order_id(1)}")
    assert cli(*asked, "--as-of", "1").json["cancelled"] is None
    assert cli(*asked).json["cancelled"] == cli(*asked, "--as-of", "2").json["cancelled"] == "changed my mind"
    assert cli(*asked, "--as-of", "2099-01-01").json == cli(*asked).json
    assert cli(*asked, "--as-of", "1d").json is None
    for more in (("3",), ("yesterday",), ("1", "--after", "1"), ("1", "--watch")):
        assert cli(*asked, "--as-of", *more).status == 2
    assert "only rows by key" in cli("ask", ORDERS, "CountOrders", "--as-of", "1").err


def test_an_answer_is_watched_until_told_to_end(cli: Run, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    place(cli, "Ada", 1)
    process = start("ask", ORDERS, "CountOrders", "--watch")
    for number in range(1, 4):
        assert read_line(process) == b"%d\n" % number
        place(cli, "Ada", number + 1)
    assert read_line(process) == b"4\n"
    assert ends(process, signal.SIGTERM) == (0, "")


def test_a_query_that_cannot_be_watched_is_told_as_ever(cli: Run) -> None:
    place(cli)
    assert cli("ask", ORDERS, "CountOrders", "--watch", "--after", "9", "--timeout", "0").status == 4
    assert cli("ask", ORDERS, "Explode", "--watch").status == 5


def test_a_query_whose_handler_fails_ends_with_5_and_no_traceback() -> None:
    shell("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=Ada")
    asked = shell("ask", ORDERS, "Explode")
    assert (asked.status, asked.out) == (5, "")
    assert "ValueError: the query broke" in asked.err
    assert "Traceback" not in asked.err
    assert "Traceback" in shell("ask", ORDERS, "Explode", TWOFOLD_TRACEBACK="1").err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("Getorder",), "this application has: CountOrders, Explode, GetOrder, ListCustomers"),
        (("GetOrder",), "missing required field `order_id`"),
        (("ListCustomers", "limit=many"), "limit: Expected `int`"),
        (("ListCustomers", "after=nonsense"), "invalid_cursor"),
        (("CountOrders", "--after", "-1"), "--after"),
        (("CountOrders", "--timeout", "soon"), "--timeout"),
        ((), "the query is missing"),
    ],
)
def test_invalid_input_ends_with_2(cli: Run, words: tuple[str, ...], told: str) -> None:
    place(cli)
    asked = cli("ask", ORDERS, *words)
    assert (asked.status, asked.out) == (2, "")
    assert told in asked.err


def test_asking_where_there_is_no_history_ends_with_3_and_makes_none(cli: Run, folder: Path) -> None:
    (folder / "empty").mkdir()
    for url in ("sqlite:///nowhere", "sqlite:///empty"):
        asked = cli("ask", ORDERS, "CountOrders", "--url", url)
        assert (asked.status, asked.out) == (3, "")
        assert "there is no history" in asked.err
    assert [path.name for path in folder.rglob("*")] == ["empty"]


def test_help_lists_the_queries_or_shows_one(cli: Run) -> None:
    assert "Customers by name, a page at a time." in cli("ask", ORDERS, "--help").out
    shown = cli("ask", ORDERS, "ListCustomers", "--help").out
    assert "twofold ask tests.cli.orders:app ListCustomers [limit=…] [after=…]" in " ".join(shown.split())
    assert "Usage: twofold ask APP NAME" in cli("ask", "-h").out
