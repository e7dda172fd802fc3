"""`twofold send`: fields become a command, the command a receipt, an error a status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from tests.cli.conftest import ORDERS, Ended, order_id, place, shell

Run = Callable[..., Ended]
ID = "0199d3c2-7d5e-7000-8000-000000000001"


def events(cli: Run) -> list[dict[str, object]]:
    return [line["payload"] for line in cli("events").lines]


def test_a_command_is_accepted_and_its_receipt_printed_as_json_in_a_pipe(folder: Path) -> None:
    sent = shell("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=Ada")

    assert (sent.status, sent.err) == (0, "")
    assert sent.json["position"] == 1
    assert sent.json["repeated"] is False
    assert UUID(sent.json["command_id"]).version == 7
    assert (folder / "data" / "history.db").is_file()


def test_the_receipt_is_for_people_on_a_terminal_unless_json_is_asked_for(people: Run) -> None:
    shown = place(people)
    assert "PlaceOrder accepted" in shown.out
    assert "position    1" in shown.out
    assert place(people, "Ada", 2, "--json").json["position"] == 2


def test_each_field_is_converted_to_its_type(cli: Run) -> None:
    words = (
        "lines=[{\"item\": \"pen\", \"count\": 2}]", "size=large", "gift=true", "due=2026-11-05", "discount=1.50",
        "weight=2.5", "note=5", "id=7",
    )  # fmt: skip
    assert place(cli, "Ada", 1, *words).status == 0

    assert events(cli) == [
        {
            "order_id": order_id(1), "customer": "Ada", "lines": [{"item": "pen", "count": 2}], "size": "large",
            "gift": True, "due": "2026-11-05", "discount": "1.50", "weight": 2.5, "note": "5", "id": 7,
        }
    ]  # fmt: skip


def test_fields_may_be_options_with_dashes_or_underscores_before_and_after_the_commands_own(cli: Run) -> None:
    sent = cli("send", ORDERS, "PlaceOrder", "--order-id", order_id(1), "--json", "--customer=Ada", "--note", "-4")
    assert sent.status == 0
    sent = cli("send", "--json", ORDERS, "PlaceOrder", "--order_id", order_id(2), "--customer", "Bob", "--note=--json")
    assert sent.status == 0

    assert [event["note"] for event in events(cli)] == ["-4", "--json"]


def test_a_value_may_hold_an_equals_sign_and_be_empty(cli: Run) -> None:
    place(cli, "a=b=c", 1, "note=")
    assert [(event["customer"], event["note"]) for event in events(cli)] == [("a=b=c", "")]


def test_null_is_nothing_where_the_field_allows_it_and_is_no_text(cli: Run) -> None:
    place(cli, "Ada", 1, "due=null", "note=null")
    assert [(event["due"], event["note"]) for event in events(cli)] == [(None, "null")]


def test_a_field_called_like_an_option_is_given_with_an_equals_sign(cli: Run) -> None:
    sent = place(cli, "Ada", 1, "id=7", "--id", ID)
    assert sent.json["command_id"] == ID
    assert [event["id"] for event in events(cli)] == [7]


def test_a_body_is_the_whole_message_as_json(cli: Run) -> None:
    body = f'{{"order_id": "{order_id(1)}", "customer": "Ada", "lines": [{{"item": "pen", "count": 1}}]}}'
    assert cli("send", ORDERS, "PlaceOrder", "--body", body).status == 0
    sent = shell("send", ORDERS, "PlaceOrder", "--body", "-", stdin=body.replace(order_id(1), order_id(2)))
    assert sent.status == 0

    assert [event["lines"] for event in events(cli)] == [[{"item": "pen", "count": 1}]] * 2


def test_a_body_is_not_lenient_about_types(cli: Run) -> None:
    sent = cli("send", ORDERS, "PlaceOrder", "--body", f'{{"order_id": "{order_id(1)}", "customer": "A", "id": "7"}}')
    assert sent.status == 2
    assert "id: Expected `int`" in sent.err


def test_a_body_and_fields_together_are_refused(cli: Run) -> None:
    sent = cli("send", ORDERS, "CancelOrder", "reason=x", "--body", "{}")
    assert sent.status == 2
    assert "not both" in sent.err


def test_a_command_under_one_id_has_one_effect(cli: Run) -> None:
    first, again = (place(cli, "Ada", 1, "--id", ID) for _ in range(2))
    assert (first.json["repeated"], again.json["repeated"]) == (False, True)
    assert again.json["position"] == 1
    assert len(events(cli)) == 1

    other = place(cli, "Bob", 2, "--id", ID)
    assert (other.status, other.out) == (2, "")
    assert "command_id_reused" in other.err


def test_a_command_is_decided_only_if_nothing_has_changed_since_an_expected_position(cli: Run) -> None:
    assert place(cli, "Ada", 1, "--expected", "0").status == 0
    cancelled = cli("send", ORDERS, "CancelOrder", f"order_id={order_id(1)}", "reason=x", "--expected", "1")
    assert cancelled.json["position"] == 2
    refused = place(cli, "Ada", 1, "--expected", "0")
    assert refused.status == 1
    assert "changed_since" in refused.err
    assert "at position 1" in refused.err
    assert len(events(cli)) == 2
    assert place(cli, "Ada", 3, "--expected", "-1").status == 2


def test_a_rejected_command_ends_with_1_and_tells_code_and_reason_without_what_a_terminal_obeys() -> None:
    shell("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=Ada")
    sent = shell("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=Ada")
    assert (sent.status, sent.out) == (1, "")
    assert sent.err == f"rejected (order_exists): order {order_id(1)} of \\x1b[31mAda is placed already\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("PlaceOrder",), "missing required field `order_id`"),
        (("PlaceOrder", "customer=Ada"), "missing required field `order_id`"),
        (("PlaceOrder", "order_id=5", "customer=Ada"), "order_id: "),
        (("PlaceOrder", "colour=red"), "no field 'colour'; it has order_id, customer, lines"),
        (("PlaceOrder", "--colour", "red"), "no field 'colour'"),
        (("PlaceOrder", "customer=a", "--customer", "b"), "customer: given twice"),
        (("PlaceOrder", "--customer"), "customer: expected a value after --customer"),
        (("PlaceOrder", "Ada"), "expected field=value or --field value, found 'Ada'"),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer="), "customer: Expected `str` of length >= 1"),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=A", "lines=[{"), "lines: expected list of Line as JSON"),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=A", "lines=" + "[" * 5000), "lines: "),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=A", 'lines=[{"item":"x","count":0}]'), "lines[0].count"),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=A", "gift=perhaps"), "gift: Expected `bool`"),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=A", "weight=nan"), "weight: "),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=A", "id=99999999999999999999"), "id: "),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=\udc80"), "'customer=\\udc80' is not valid UTF-8"),
        (("PlaceOrder", f"order_id={order_id(1)}", "customer=A", "--url", "sqlite:///\udc80"), "is not valid UTF-8"),
        (("PlaceOrder", f"order_id={order_id(1)}", 'customer=A', 'lines=[{"item":"\\ud800","count":1}]'), "PlaceOrder"),
        (("PlaceOrder", f"order_id={order_id(1)}", 'customer=A', 'lines=[{"item":"\\u0000","count":1}]'), "U+0000"),
        (("PlaceOrder", "--body", "{"), "PlaceOrder"),
        (("PlaceOrder", "--body", "[]"), "Expected `object`"),
        (("PlaceOrder", "--id", "5"), "UUID"),
        (("Placeorder",), "this application has: BreakDown, CancelOrder, PlaceOrder"),
        ((), "the command is missing"),
    ],
)  # fmt: skip
def test_invalid_input_ends_with_2_names_the_field_and_stores_nothing(
    cli: Run, folder: Path, words: tuple[str, ...], told: str
) -> None:
    sent = cli("send", ORDERS, *words)
    assert (sent.status, sent.out) == (2, "")
    assert told in sent.err
    assert "Traceback" not in sent.err
    assert list(folder.iterdir()) == []


def test_a_handler_that_fails_ends_with_5_in_one_line_and_no_traceback() -> None:
    sent = shell("send", ORDERS, "BreakDown", f"order_id={order_id(1)}")
    assert (sent.status, sent.out) == (5, "")
    assert "error (handler_failed): break_down failed: RuntimeError: the handler broke" in sent.err
    assert "Traceback" not in sent.err
    assert "Traceback" in shell("send", ORDERS, "BreakDown", f"order_id={order_id(1)}", TWOFOLD_TRACEBACK="1").err


@pytest.mark.parametrize("url", ["nothing:", "sqlite:///", "mysql://user:canary@host/db"])
def test_an_address_that_no_engine_knows_ends_with_3_and_shows_no_password(cli: Run, url: str) -> None:
    sent = place(cli, "Ada", 1, "--url", url)
    assert sent.status == 3
    assert "invalid_address" in sent.err
    assert "canary" not in sent.err


def test_a_foreign_file_in_the_historys_place_ends_with_3_and_is_left_alone(cli: Run, folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "history.db").write_bytes(b"something else entirely" * 100)
    sent = place(cli)
    assert sent.status == 3
    assert "foreign_file" in sent.err
    assert (folder / "data" / "history.db").read_bytes() == b"something else entirely" * 100


def test_an_error_of_the_store_names_the_commands_id_to_repeat_it_under(cli: Run, folder: Path) -> None:
    (folder / "data").write_text("a file where the folder should be")
    sent = place(cli, "Ada", 1, "--id", ID)
    assert sent.status == 3
    assert f"--id {ID}" in sent.err


def test_the_url_is_taken_from_the_environment_unless_it_is_given(folder: Path) -> None:
    words = ("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=Ada")
    assert shell(*words, TWOFOLD_URL="sqlite:///from_environment").status == 0
    assert shell(*words, "--url", "sqlite:///given", TWOFOLD_URL="sqlite:///from_environment").status == 0
    assert sorted(path.name for path in folder.iterdir()) == ["from_environment", "given"]


def test_help_without_an_application_is_about_send(cli: Run) -> None:
    for words in (("send", "--help"), ("send", "--url", "sqlite:///x", "-h")):
        shown = cli(*words)
        assert shown.status == 0
        assert "Usage: twofold send APP NAME" in shown.out
    assert cli("send").status == 2


def test_help_with_an_application_lists_its_commands_with_what_they_are_for(cli: Run) -> None:
    shown = cli("send", ORDERS, "--help")
    assert shown.status == 0
    assert "Order something." in shown.out
    assert "Take an order back." in shown.out
    assert "GetOrder" not in shown.out


def test_help_with_a_command_shows_its_fields_with_types_constraints_and_defaults(people: Run) -> None:
    shown = people("send", ORDERS, "PlaceOrder", "--help")
    assert shown.status == 0
    text = " ".join(shown.out.replace("│", " ").split())
    for told in (
        "twofold send tests.cli.orders:app PlaceOrder order_id=… customer=… [lines=…]",
        "Order something. An order is placed once.",
        "--order-id VALUE UUID [required]",
        "--customer VALUE Who orders. text, length >= 1, length <= 40 [required]",
        "--lines JSON list of Line as JSON [default: []]",
        "--size VALUE one of small, large [default: small]",
        "--gift VALUE true or false [default: false]",
        "--due VALUE date or nothing [default: null]",
        "--discount VALUE decimal [default: 0]",
        "Give it as id=…, --id is an option of this command",
    ):
        assert told in text, told


def test_a_message_error_says_how_to_see_the_fields(cli: Run) -> None:
    assert f"see: twofold send {ORDERS} PlaceOrder --help" in cli("send", ORDERS, "PlaceOrder").err
