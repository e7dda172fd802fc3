"""`twofold ledger`: what was decided, from an event its command, and from a command what it caused."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.cli.conftest import ORDERS, Ended, ends, order_id, place, read_line
from tests.cli.orders import CancelOrder, PlaceOrder, app
from twofold import Principal, Rejected

Run = Callable[..., Ended]
Start = Callable[..., "subprocess.Popen[bytes]"]

FIRST, SECOND = UUID(int=1), UUID(int=2)


@pytest.fixture
def decided() -> None:
    """A history with a command that caused another, a rejected one, and one that failed."""

    async def decide() -> None:
        async with app.open("sqlite:///data", roles=["write"]) as node:
            order = UUID(order_id(1))
            await node.send(PlaceOrder(order, "Ada"), command_id=FIRST, principal=Principal("ada"))
            with pytest.raises(Rejected):
                await node.send(PlaceOrder(order, "Ada"), principal=Principal("bob"))
            await node.send(
                CancelOrder(order, "changed her mind"), command_id=SECOND, correlation_id=FIRST, causation_id=FIRST
            )

    asyncio.run(decide())


def told(ended: Ended) -> list[tuple[Any, ...]]:
    assert ended.status == 0, ended.err
    return [(line["command"], line["principal"], line["outcome"]) for line in ended.lines]


PLACED, REFUSED, CANCELLED = (
    ("PlaceOrder", "ada", "accepted"), ("PlaceOrder", "bob", "rejected"), ("CancelOrder", "", "accepted"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [CANCELLED, REFUSED, PLACED]),
        (["--oldest"], [PLACED, REFUSED, CANCELLED]),
        (["--limit", "1"], [CANCELLED]),
        (["--oldest", "--after", "1"], [REFUSED, CANCELLED]),
        (["--after", "3"], [REFUSED, PLACED]),
        (["--command", "PlaceOrder"], [REFUSED, PLACED]),
        (["--command", str(FIRST)], [PLACED]),
        (["--principal", "bob"], [REFUSED]),
        (["--tag", f"order:{order_id(1)}", "--tag", "customer:Ada"], [REFUSED, PLACED]),
        (["--outcome", "rejected"], [REFUSED]),
        (["--since", "1h", "--outcome", "accepted"], [CANCELLED, PLACED]),
        (["--until", "1h"], []),
        (["--since", "2100-01-01"], []),
    ],
)
def test_what_is_asked_for_is_listed(
    cli: Run, decided: None, options: list[str], expected: list[tuple[str, str, str]]
) -> None:
    assert told(cli("ledger", *options)) == expected
    assert told(cli("ledger", ORDERS, *options)) == expected


def test_a_line_of_json_tells_all(cli: Run, decided: None) -> None:
    _, refused, placed = cli("ledger", "--json").lines
    assert placed["payload"]["customer"] == "Ada"
    assert (placed["command_id"], placed["events"], placed["position"]) == (str(FIRST), [1, 1], 1)
    assert (refused["events"], refused["position"], refused["attempts"]) == (None, 1, 1)
    assert refused["code"]
    assert refused["reason"]
    assert len(placed["fingerprint"]) == 64
    assert set(placed) == {
        "entry", "time", "command", "command_id", "payload", "fingerprint", "tags", "principal", "tenant", "outcome",
        "code", "reason", "events", "position", "correlation_id", "causation_id", "attempts", "elapsed",
    }  # fmt: skip


def test_people_get_a_table_as_wide_as_their_terminal(people: Run, decided: None) -> None:
    ended = people("ledger")
    heading, cancelled, refused, placed = ended.out.splitlines()
    assert heading.split() == [
        "entry",
        "time",
        "(UTC)",
        "command",
        "principal",
        "outcome",
        "ms",
        "what",
        "came",
        "of",
        "it",
    ]
    assert "CancelOrder" in cancelled
    assert "rejected" in refused
    assert placed.endswith("event 1")
    assert all(len(line) <= 120 for line in ended.out.splitlines())


def test_from_an_event_its_command(cli: Run, people: Run, decided: None) -> None:
    assert cli("ledger", "--event", 2).json["command_id"] == str(SECOND)
    shown = people("ledger", "--event", 2).out
    assert "CancelOrder" in shown
    assert "changed her mind" in shown
    assert str(FIRST) in shown
    missing = cli("ledger", "--event", 3)
    assert (missing.status, "the history ends at 2" in missing.err) == (2, True)


@pytest.mark.parametrize("asked", [FIRST, SECOND])
def test_from_a_command_its_events_and_what_is_around_it(cli: Run, people: Run, decided: None, asked: UUID) -> None:
    chain = cli("ledger", "--of", asked).json
    assert (chain["command"]["command"], [event["position"] for event in chain["events"]]) == ("PlaceOrder", [1])
    [caused] = chain["caused"]
    assert (caused["command"]["command"], caused["events"][0]["type"]) == ("CancelOrder", "order-cancelled")
    lines = people("ledger", "--of", asked).out.splitlines()
    assert [line.strip(" │├└─").split()[0] for line in lines] == ["PlaceOrder", "1", "CancelOrder", "2"]


def test_a_command_that_is_not_there_is_told(cli: Run, decided: None) -> None:
    ended = cli("ledger", "--of", UUID(int=77))
    assert (ended.status, str(UUID(int=77)) in ended.err) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        ["--event", "1", "--of", str(FIRST)],
        ["--event", "1", "--limit", "2"],
        ["--of", str(FIRST), "--follow"],
        ["--outcome", "lost"],
        ["--tag", "order"],
        ["--since", "yesterday"],
        ["--event", "0"],
        ["--of", "1"],
    ],
)
def test_what_cannot_be_asked_is_refused(cli: Run, decided: None, options: list[str]) -> None:
    ended = cli("ledger", *options)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err


def test_without_a_history_none_is_made(cli: Run) -> None:
    assert cli("ledger").status == 3


def test_a_command_that_the_application_has_not_is_noted(cli: Run, decided: None) -> None:
    ended = cli("ledger", ORDERS, "--command", "PlaceOder")
    assert (ended.status, ended.out) == (0, "")
    assert "PlaceOrder" in ended.err


def test_decisions_are_shown_as_they_are_made_rejected_ones_too(cli: Run, start: Start) -> None:
    place(cli, "Ada", 1)
    process = start("ledger", "--follow", "--after", "0")
    assert msgspec.json.decode(read_line(process))["outcome"] == "accepted"
    place(cli, "Ada", 1)
    assert msgspec.json.decode(read_line(process))["outcome"] == "rejected"
    assert ends(process, signal.SIGTERM) == (0, "")


def test_following_ends_at_its_limit(cli: Run, start: Start) -> None:
    for number in range(1, 4):
        place(cli, "Ada", number)
    process = start("ledger", "--follow", "--after", "1", "--limit", "2")
    assert [msgspec.json.decode(read_line(process))["entry"] for _ in range(2)] == [2, 3]
    assert ends(process) == (0, "")
