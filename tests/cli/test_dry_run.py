"""`twofold send --dry-run`: what would follow a command, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import ORDERS, Ended, order_id, place

Run = Callable[..., Ended]


def test_a_dry_run_prints_the_events_that_would_follow_and_stores_nothing(cli: Run) -> None:
    place(cli)
    ended = cli("send", ORDERS, "CancelOrder", f"order_id={order_id(1)}", "reason=x", "--dry-run")
    assert ended.status == 0
    assert ended.json["position"] == 1
    [event] = ended.json["events"]
    assert (event["type"], event["payload"]["reason"]) == ("order-cancelled", "x")
    assert len(cli("events").lines) == 1


def test_a_dry_run_makes_no_history(cli: Run, folder: Path) -> None:
    ended = place(cli, "Ada", 1, "--dry-run")
    assert (ended.status, ended.json["position"], len(ended.json["events"])) == (0, 0, 1)
    assert list(folder.iterdir()) == []


def test_a_rejection_and_a_change_end_with_1(cli: Run) -> None:
    place(cli)
    rejected = place(cli, "Ada", 1, "--dry-run")
    assert rejected.status == 1
    assert "rejected" in rejected.err
    assert place(cli, "Ada", 1, "--dry-run", "--expected", "0").status == 1


def test_the_past_is_decided_against(cli: Run) -> None:
    place(cli)
    assert place(cli, "Ada", 1, "--dry-run", "--as-of", "0").json["position"] == 0
    assert place(cli, "Ada", 1, "--dry-run", "--as-of", "7").status == 2
    refused = place(cli, "Ada", 2, "--as-of", "0")
    assert refused.status == 2
    assert "--dry-run" in refused.err
    assert len(cli("events").lines) == 1


def test_people_are_shown_the_events(people: Run) -> None:
    shown = place(people, "Ada\x1b[31m", 1, "--dry-run")
    assert "PlaceOrder would be accepted at position 0; nothing stored" in shown.out
    assert "OrderPlaced" in shown.out
    assert order_id(1) in shown.out
    assert "\x1b[31m" not in shown.out
