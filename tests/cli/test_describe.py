"""`twofold describe`: the whole application, for people, for programs, as a diagram."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.cli.conftest import ORDERS, Ended

Run = Callable[..., Ended]
SHOP = "tests.write.shop:shop"


def test_programs_get_everything_as_json(cli: Run) -> None:
    found = cli("describe", ORDERS).json
    assert found["name"] == "orders"
    assert [c["name"] for c in found["commands"]] == ["BreakDown", "CancelOrder", "PlaceOrder"]
    cancel, place = found["commands"][1:]
    assert (cancel["handler"], cancel["about"]) == ("cancel_order", "Take an order back.")
    assert cancel["events"] == ["order-cancelled"]
    assert cancel["write_models"] == [
        {"name": "PlacedOrder", "tags": ["order"], "events": ["OrderPlaced"], "many": False}
    ]
    assert place["about"] == "Order something."
    assert place["fields"][1] == {
        "name": "customer", "type": "text", "required": True, "constraints": ["length >= 1", "length <= 40"],
        "help": "Who orders.",
    }  # fmt: skip
    assert place["fields"][3] == {
        "name": "size", "type": "one of small, large", "required": False, "default": "small",
    }  # fmt: skip
    cancelled, placed = sorted(found["events"], key=lambda event: event["name"] == "OrderPlaced")
    assert (placed["tags"], placed["commands"]) == (["order", "customer"], ["PlaceOrder"])
    assert (placed["write_models"], placed["read_models"]) == (["PlacedOrder"], ["CustomerCard", "Order"])
    assert (cancelled["write_models"], cancelled["read_models"]) == ([], ["Order"])
    card = found["read_models"][0]
    assert (card["name"], card["table"], card["key"]) == ("CustomerCard", "customer_card", ["customer"])
    assert (card["events"], card["queries"]) == (["OrderPlaced"], ["ListCustomers"])
    queries = {query["name"]: query for query in found["queries"]}
    assert queries["GetOrder"]["answer"] == "Order | None"
    assert queries["ListCustomers"]["answer"] == "list[CustomerCard]"
    assert queries["CountOrders"]["read_models"] == ["Order"]


def test_people_get_tables(people: Run) -> None:
    shown = people("describe", ORDERS)
    assert shown.status == 0
    titles = [line.strip() for line in shown.out.splitlines() if not line.startswith(" ") and line.strip()]
    assert titles[:5] == ["orders", "Commands", "Events", "Read models", "Queries"]
    assert re.search(r"CancelOrder +order_id +PlacedOrder of order +order-cancelled +Take an order back\.", shown.out)
    assert re.search(r"CustomerCard +customer +customer +OrderPlaced", shown.out)


def test_lists_of_models_and_models_of_several_tags_and_of_none_are_told(cli: Run, people: Run) -> None:
    commands = {command["name"]: command for command in cli("describe", SHOP).json["commands"]}
    uses = {
        name: [(use["name"], use["tags"], use["many"]) for use in command["write_models"]]
        for name, command in commands.items()
    }
    assert uses["OrderMany"] == [("Stock", ["item"], True), ("Orders", [], False)]
    assert uses["Review"] == [("Reviews", ["item", "customer"], False)]
    shown = people("describe", SHOP).out
    assert all(words in shown for words in ("list of Stock of item", "Orders of all", "Reviews of item, customer"))


def test_a_diagram_leads_from_commands_over_events_and_read_models_to_queries(cli: Run, people: Run) -> None:
    text = cli("describe", ORDERS, "--mermaid").out
    assert people("describe", ORDERS, "--mermaid").out == text
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "flowchart LR"
    boxes = {found[1]: found[2] for line in lines if (found := re.match(r'(\w+)[\[({]+"(.*)"[\])}]+$', line))}
    arrows = {(boxes[found[1]], boxes[found[2]]) for line in lines if (found := re.match(r"(\w+) --> (\w+)$", line))}
    assert arrows == {
        ("PlaceOrder", "OrderPlaced"), ("CancelOrder", "order-cancelled"),
        ("OrderPlaced", "Order"), ("order-cancelled", "Order"), ("OrderPlaced", "CustomerCard"),
        ("CustomerCard", "ListCustomers"), ("Order", "GetOrder"), ("Order", "CountOrders"), ("Order", "Explode"),
    }  # fmt: skip
    assert set(boxes.values()) >= {"BreakDown"}
    assert lines.count("end") == text.count("subgraph ") == 4


def test_a_name_that_mermaid_would_misread_is_escaped(cli: Run, folder: Path) -> None:
    (folder / "odd.py").write_text(
        "from twofold import App, Command, Event\n"
        "app = App('odd')\n"
        "class Do(Command, name='say \"hi\" <#1>'): pass\n"
        "class Done(Event): pass\n"
        "@app.command\n"
        "def do(command: Do) -> Done: return Done()\n"
    )
    assert 'c1["say #34;hi#34; #60;#35;1#62;"]' in cli("describe", "odd", "--mermaid").out


def test_an_empty_application_is_described(cli: Run, people: Run, folder: Path) -> None:
    (folder / "bare.py").write_text("from twofold import App\napp = App('bare')\n")
    assert cli("describe", "bare").json == {
        "name": "bare", "commands": [], "events": [], "read_models": [], "queries": [],
    }  # fmt: skip
    assert cli("describe", "bare", "--mermaid").out == "flowchart LR\n"
    assert people("describe", "bare").status == 0
    listed = cli("send", "bare", "--help")
    assert listed.status == 2
    assert "declares none" in listed.err


def test_no_history_is_needed_and_json_and_a_diagram_at_once_are_refused(cli: Run, folder: Path) -> None:
    assert cli("describe", ORDERS, "--json", "--mermaid").status == 2
    assert msgspec.json.decode(cli("describe", ORDERS, "--json").out)["name"] == "orders"
    assert list(folder.iterdir()) == []
