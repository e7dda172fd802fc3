"""`twofold events`: which events are listed, in which form."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import apsw
import pytest

from tests.cli.conftest import ORDERS, Ended, ends, order_id, place, read_line, shell

Run = Callable[..., Ended]


@pytest.fixture
def history(cli: Run, folder: Path) -> None:
    """Five events: orders 1 to 3 of Ada, Bob and Ada at 1, 2, 4; 3 and 5 cancel the orders 1 and 2. A day apart."""
    place(cli, "Ada", 1)
    place(cli, "Bob", 2)
    cli("send", ORDERS, "CancelOrder", f"order_id={order_id(1)}", "reason=too late")
    place(cli, "Ada", 3)
    cli("send", ORDERS, "CancelOrder", f"order_id={order_id(2)}", "reason=lost")
    # The times are the database's; here they are set in it, so that they are known.
    connection = apsw.Connection(str(folder / "data" / "history.db"))
    first = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000
    connection.execute("UPDATE events SET recorded_at = ? + (position - 1) * 86400000000", (first,))
    connection.close()


def positions(listed: Ended) -> list[int]:
    assert listed.status == 0, listed.err
    return [line["position"] for line in listed.lines]


@pytest.mark.usefixtures("history")
def test_in_a_pipe_each_event_is_a_line_of_json_with_all_that_the_history_knows() -> None:
    listed = shell("events")
    assert (listed.status, listed.err) == (0, "")
    assert len(listed.lines) == 5
    line = listed.lines[2]
    assert set(line) == {
        "position", "time", "type", "version", "tags", "payload", "id", "command_id", "correlation_id",
        "causation_id", "principal", "tenant",
    }  # fmt: skip
    assert (line["position"], line["type"], line["version"]) == (3, "order-cancelled", 1)
    assert line["time"] == "2026-03-03T12:00:00Z"
    assert line["tags"] == [f"order:{order_id(1)}"]
    assert line["payload"] == {"order_id": order_id(1), "reason": "too late"}
    assert UUID(line["id"]).version == 7
    assert line["command_id"] == line["correlation_id"] == line["causation_id"]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [1, 2, 3, 4, 5]),
        (("--type", "OrderPlaced"), [1, 2, 4]),
        (("--type", "OrderPlaced", "--type", "order-cancelled"), [1, 2, 3, 4, 5]),
        (("--type", "Unknown"), []),
        (("--tag", "customer:Ada"), [1, 4]),
        (("--tag", f"order:{order_id(1)}"), [1, 3]),
        (("--tag", "customer:Ada", "--tag", f"order:{order_id(3)}"), [4]),
        (("--tag", f"order:{order_id(1)}", "--type", "order-cancelled"), [3]),
        (("--after", "3"), [4, 5]),
        (("--until", "2"), [1, 2]),
        (("--after", "1", "--until", "3"), [2, 3]),
        (("--after", "9"), []),
        (("--after", "4", "--until", "2"), []),
        (("--limit", "2"), [1, 2]),
        (("--after", "2", "--limit", "1"), [3]),
        (("--since", "2026-03-03"), [3, 4, 5]),
        (("--since", "2026-03-03T12:00"), [3, 4, 5]),
        (("--since", "2026-03-03T12:00:01"), [4, 5]),
        (("--since", "2026-03-03T13:00+01:00"), [3, 4, 5]),
        (("--before", "2026-03-03T12:00Z"), [1, 2]),
        (("--since", "2026-03-02", "--before", "2026-03-04"), [2, 3]),
        (("--since", "2026-03-02", "--limit", "2"), [2, 3]),
        (("--since", "1s"), []),
    ],
)
def test_filters_select_what_they_say(cli: Run, words: tuple[str, ...], expected: list[int]) -> None:
    assert positions(cli("events", *words)) == expected


def test_times_may_be_counted_back_from_now(cli: Run, folder: Path) -> None:
    place(cli, "Ada", 1)
    place(cli, "Bob", 2)
    connection = apsw.Connection(str(folder / "data" / "history.db"))
    before = int((datetime.now(UTC) - timedelta(hours=2)).timestamp()) * 1_000_000
    connection.execute("UPDATE events SET recorded_at = ? WHERE position = 1", (before,))
    connection.close()
    assert positions(cli("events", "--since", "1h")) == [2]
    assert positions(cli("events", "--since", "180m")) == [1, 2]
    assert positions(cli("events", "--before", "3600s")) == [1]
    assert positions(cli("events", "--since", "1d")) == [1, 2]


@pytest.mark.usefixtures("history")
def test_a_clock_that_was_set_back_hides_no_event(cli: Run, folder: Path) -> None:
    connection = apsw.Connection(str(folder / "data" / "history.db"))
    connection.execute("UPDATE events SET recorded_at = recorded_at + 10 * 86400000000 WHERE position = 2")
    connection.close()
    assert positions(cli("events", "--before", "2026-03-04")) == [1, 3]


@pytest.mark.usefixtures("history")
def test_on_a_terminal_events_are_rows_cut_to_its_width(people: Run) -> None:
    shown = people("events").out.splitlines()
    assert shown[0].split() == ["position", "time", "(UTC)", "type", "tags", "payload"]
    assert len(shown) == 6
    assert all(len(line) <= 120 for line in shown)
    assert shown[1].startswith("        1  2026-03-01 12:00:00  OrderPlaced")
    assert shown[1].endswith("…")
    assert shown[3].count("…") >= 1
    assert "order:00000000-0000" in shown[3]


def test_what_a_terminal_would_obey_is_escaped_in_rows_and_no_event_takes_two(
    cli: Run, people: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    cli("send", ORDERS, "PlaceOrder", f"order_id={order_id(1)}", "customer=\u009b1m\n[bold]")
    shown = people("events", "--tag", "customer:\u009b1m\n[bold]").out
    assert len(shown.splitlines()) == 2
    assert '"customer":"\\x9b1m\\n[bold]"' in shown
    assert "\u009b" not in shown


@pytest.mark.usefixtures("history")
def test_json_is_asked_for_on_a_terminal(people: Run) -> None:
    assert positions(people("events", "--json")) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("history")
def test_an_application_is_not_needed_and_with_one_an_unknown_type_is_noted(cli: Run) -> None:
    assert positions(cli("events", ORDERS)) == [1, 2, 3, 4, 5]
    listed = cli("events", ORDERS, "--type", "OrderPlacd")
    assert (listed.status, listed.out) == (0, "")
    assert "no event 'OrderPlacd'" in listed.err
    assert "OrderPlaced, order-cancelled" in listed.err
    assert cli("events", ORDERS, "--type", "OrderPlaced").err == ""
    assert cli("events", "no_such_module").status == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tag", "Ada"), "expected kind:value"),
        (("--tag", "customer:"), "expected kind:value"),
        (("--since", "yesterday"), "--since: expected a time"),
        (("--before", "2026-02-30"), "--before: expected a time"),
        (("--since", "999999999d"), "--since: expected a time"),
        (("--since", "0001-01-01T00:00+23:59"), ""),
        (("--after", "-1"), "--after"),
        (("--limit", "0"), "--limit"),
        (("--limit", "many"), "--limit"),
        (("--colour", "red"), "--colour"),
    ],
)
def test_invalid_filters_end_with_2(cli: Run, words: tuple[str, ...], told: str) -> None:
    place(cli)
    listed = cli("events", *words)
    if told:
        assert (listed.status, listed.out) == (2, "")
        assert told in listed.err
    assert "Traceback" not in listed.err


@pytest.mark.parametrize("words", [("events",), ("tail", "--limit", "1"), ("models", ORDERS)])
def test_reading_where_there_is_no_history_ends_with_3_and_makes_none(
    cli: Run, folder: Path, words: tuple[str, ...]
) -> None:
    (folder / "empty").mkdir()
    for url in ("sqlite:///nowhere", "sqlite:///empty"):
        read = cli(*words, "--url", url)
        assert (read.status, read.out) == (3, "")
        assert "there is no history" in read.err
    assert cli(*words, "--url", "memory:").status == 2
    assert [path.name for path in folder.rglob("*")] == ["empty"]


def test_listing_makes_no_read_models_and_appends_nothing(cli: Run, folder: Path) -> None:
    place(cli)
    cli("events", ORDERS)
    assert not (folder / "data" / "views.db").exists()
    assert len(cli("events").lines) == 1


def test_a_reader_that_goes_away_ends_the_listing_with_0(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    asyncio.run(_many_orders())
    process = start("events")
    assert read_line(process).startswith(b'{"position":1,')
    assert process.stdout is not None
    process.stdout.close()
    assert ends(process) == (0, "")


async def _many_orders() -> None:
    from tests.cli.orders import PlaceOrder, app

    async with app.open("sqlite:///data", roles=["write"]) as node:
        await asyncio.gather(*(node.send(PlaceOrder(UUID(order_id(number)), "Ada" * 10)) for number in range(1, 3001)))
