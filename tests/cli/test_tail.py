"""`twofold tail`: events as they happen, and every way in which it ends."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from tests.cli.conftest import ORDERS, Ended, ends, order_id, place, read_line, shell, until
from tests.cli.orders import PlaceOrder, app

Run = Callable[..., Ended]
Start = Callable[..., "subprocess.Popen[bytes]"]


def next_position(process: subprocess.Popen[bytes]) -> int:
    return int(msgspec.json.decode(read_line(process))["position"])


def test_events_are_shown_as_they_happen_from_another_process(cli: Run, start: Start) -> None:
    place(cli, "Ada", 1)
    process = start("tail", ORDERS, "--after", "0")
    for number in range(1, 4):
        place(cli, "Ada", number + 1)
        assert next_position(process) == number
    assert next_position(process) == 4
    assert ends(process, signal.SIGTERM) == (0, "")


def test_without_a_position_it_begins_now(cli: Run, start: Start) -> None:
    for number in range(1, 4):
        place(cli, "Ada", number)
    process = start("tail", "--limit", "1")
    number = 4
    while process.poll() is None:
        place(cli, "Ada", number)
        number += 1
    assert process.stdout is not None
    [line] = process.stdout.readlines()
    assert msgspec.json.decode(line)["position"] > 3
    assert ends(process) == (0, "")


def test_filters_are_those_of_events(cli: Run, start: Start) -> None:
    process_positions = []
    place(cli, "Ada", 1)
    place(cli, "Bob", 2)
    process = start("tail", "--after", "0", "--tag", "customer:Bob", "--type", "OrderPlaced", "--limit", "2")
    process_positions.append(next_position(process))
    place(cli, "Ada", 3)
    place(cli, "Bob", 4)
    process_positions.append(next_position(process))
    assert process_positions == [2, 4]
    assert ends(process) == (0, "")


def test_a_limit_and_a_position_end_it(cli: Run) -> None:
    for number in range(1, 6):
        place(cli, "Ada", number)
    assert [line["position"] for line in shell("tail", "--after", "1", "--limit", "2").lines] == [2, 3]
    assert [line["position"] for line in shell("tail", "--after", "1", "--until", "4").lines] == [2, 3, 4]
    assert shell("tail", "--after", "5", "--until", "5") == Ended(0, "", "")
    assert shell("tail", "--tag", "customer:Bob", "--after", "0", "--until", "5") == Ended(0, "", "")


def test_on_a_terminal_rows_are_shown(cli: Run, people: Run) -> None:
    place(cli)
    shown = people("tail", "--after", "0", "--limit", "1").out.splitlines()
    assert [line.split()[0] for line in shown] == ["position", "1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_quiet_tail_with_0(cli: Run, start: Start, number: int) -> None:
    place(cli)
    process = start("tail", "--after", "0")
    assert next_position(process) == 1
    assert ends(process, number) == (0, "")


def test_a_reader_that_goes_away_ends_a_quiet_tail_with_0(cli: Run, start: Start) -> None:
    place(cli)
    process = start("tail", "--after", "0")
    assert next_position(process) == 1
    assert process.stdout is not None
    process.stdout.close()
    assert ends(process) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_tail_whose_reader_does_not_read(start: Start, number: int) -> None:
    asyncio.run(_send_orders(1500))
    process = start("tail", "--after", "0")
    until(_filled(process), "the pipe is full")
    assert ends(process, number) == (0, "")


def test_a_reader_that_goes_away_ends_a_tail_in_the_midst_of_a_write(start: Start) -> None:
    asyncio.run(_send_orders(1500))
    process = start("tail", "--after", "0")
    until(_filled(process), "the pipe is full")
    assert process.stdout is not None
    process.stdout.close()
    assert ends(process) == (0, "")


def test_a_file_gets_whole_lines_when_a_signal_ends_it(start: Start, folder: Path) -> None:
    asyncio.run(_send_orders(1500))
    with (folder / "events.jsonl").open("wb") as file:
        process = start("tail", "--after", "0", stdout=file)
        until(lambda: (folder / "events.jsonl").stat().st_size > 0, "something is written")
        assert ends(process, signal.SIGTERM) == (0, "")
    lines = (folder / "events.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line)["position"] for line in lines] == list(range(1, len(lines) + 1))


async def _send_orders(count: int) -> None:
    async with app.open("sqlite:///data", roles=["write"]) as node:
        await asyncio.gather(*(node.send(PlaceOrder(UUID(order_id(n)), "Ada")) for n in range(1, count + 1)))


def _filled(process: subprocess.Popen[bytes]) -> Callable[[], bool]:
    """Return a condition that holds when what waits in the process's pipe grows no more."""
    seen: list[int] = []

    def full() -> bool:
        assert process.stdout is not None
        (waiting,) = struct.unpack("i", fcntl.ioctl(process.stdout.fileno(), termios.FIONREAD, b"\0" * 4))
        seen.append(int(waiting))
        return len(seen) > 20 and 0 < seen[-20] == seen[-1]

    return full
