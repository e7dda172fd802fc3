"""The import: every total equals an independent count, and a second import changes nothing."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from examples.permits.app import app
from examples.permits.load import every, send_lines
from examples.permits.log import Line, Row, lines_of, read_log
from examples.permits.office import (
    Case,
    CloseCase,
    CompleteStep,
    PlanEnd,
    ReceiveCase,
    StepCompleted,
    Task,
    close_case,
    complete_step,
    plan_end,
    receive_case,
)
from examples.permits.reports import ListActivities, ListCases, ListDays, ListDepartments, ListResources
from examples.permits.sample import sample_rows

from tests.examples.count_log import count_log
from twofold import App, Node

ROOT = Path(__file__).parents[2]


async def totals_of(node: Node) -> dict[str, Any]:
    departments = await node.ask(ListDepartments())
    cases = [case async for case in every(node, ListCases(limit=200))]
    days = [day async for day in every(node, ListDays(limit=200))]
    return {
        "cases": len(cases),
        "steps": sum(case.steps for case in cases),
        "activity": {each.activity: each.steps async for each in every(node, ListActivities(limit=10))},
        "resource": {each.resource: each.steps async for each in every(node, ListResources(limit=10))},
        "steps of department": {each.department: each.steps for each in departments},
        "cases of department": {each.department: each.received for each in departments},
        "closed cases": sum(not case.open for case in cases),
        "day": {day.day.isoformat(): day.steps for day in days if day.steps},
        "steps of case": {case.case_id: case.steps for case in cases},
    }


@pytest.mark.anyio
async def test_the_totals_of_the_real_log_equal_an_independent_count_and_sent_again_change_nothing(
    real_log: Path, tmp_path: Path
) -> None:
    lines = read_log(real_log)
    expected = count_log(real_log)
    assert (expected["cases"], expected["steps"]) == (1434, 8577)
    url, views = f"sqlite:///{tmp_path}/permits", {"analytics": f"duckdb:///{tmp_path}/analytics"}

    async with app.open(url, views=views) as node:
        first = await send_lines(node, lines)

        assert (first.accepted, first.repeated, first.rejected) == (len(lines), 0, {})
        assert await totals_of(node) == expected

    async with app.open(url, views=views) as node:
        again = lines[::10]
        second = await send_lines(node, again)

        assert (second.accepted, second.repeated, second.rejected) == (0, len(again), {})
        assert await totals_of(node) == expected

    # Where nobody says it, the days are beside the rest.
    async with app.open(url) as node:
        await node.caught_up()
        assert await totals_of(node) == expected


@pytest.mark.anyio
async def test_an_import_that_was_interrupted_is_taken_up_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    lines = lines_of(sample_rows(100))
    sent = 0

    def stop_at_a_third() -> None:
        nonlocal sent
        sent += 1
        if sent == len(lines) // 3:
            raise InterruptedError

    url = f"sqlite:///{tmp_path}/permits"
    with pytest.raises(InterruptedError):
        async with app.open(url) as node:
            await send_lines(node, lines, sent=stop_at_a_third)
    async with app.open(url) as node:
        outcome = await send_lines(node, lines)
        totals = await totals_of(node)

    assert outcome.repeated > 0
    assert outcome.accepted + outcome.repeated == len(lines)
    assert totals["steps of case"] == Counter(line.case_id for line in lines if isinstance(line.command, CompleteStep))


def office_that_takes_its_time() -> App:
    """The office, but each step is decided after a while of its own, so that commands would overtake each other."""
    slow = App("permits: slowly")
    for handler in (receive_case, plan_end, close_case):
        slow.command(handler)

    @slow.command
    async def complete_slowly(command: CompleteStep, case: Case, task: Task) -> StepCompleted:
        for _ in range(crc32(command.task_id.encode()) % 30):
            await asyncio.sleep(0)
        return complete_step(command, case, task)

    return slow


@pytest.mark.anyio
async def test_each_case_is_decided_in_its_order_while_many_commands_are_in_flight() -> None:
    lines = lines_of(sample_rows(100))
    wanted: dict[str, list[str]] = {}
    for line in lines:
        wanted.setdefault(line.case_id, []).append(_fact(line))

    async with office_that_takes_its_time().open("memory:") as node:
        outcome = await send_lines(node, lines, in_flight=500)
        found: dict[str, list[str]] = {}
        async for recorded in node.events():
            case_id, *task = recorded.tags
            found.setdefault(case_id.removeprefix("case:"), []).append(task[0] if task else recorded.type)

    assert outcome.rejected == {}
    assert found == wanted


@pytest.mark.anyio
async def test_rejected_commands_are_counted_by_their_code_and_the_others_go_on() -> None:
    lines = lines_of(sample_rows(20))
    lost = next(line for line in lines if isinstance(line.command, ReceiveCase))
    rest = [line for line in lines if line is not lost]

    async with app.open("memory:") as node:
        outcome = await send_lines(node, rest)

    of_lost = sum(line.case_id == lost.case_id for line in rest)
    assert outcome.rejected == {"unknown_case": of_lost}
    assert outcome.accepted == len(rest) - of_lost


def test_the_import_command_prints_the_totals_and_repeats_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = list(sample_rows(40))
    _write(path, rows)

    first, second = _import(path, tmp_path), _import(path, tmp_path)

    assert f"{len(lines_of(rows)):,} commands accepted, 0 were accepted" in first
    assert f"0 commands accepted, {len(lines_of(rows)):,} were accepted" in second
    assert f"40 cases, {len(rows):,} steps" in first
    assert first.splitlines()[-20:] == second.splitlines()[-20:]


def test_a_row_that_was_changed_since_its_import_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    _write(path, list(sample_rows(5)))
    _import(path, tmp_path)
    path.write_text(path.read_text().replace("Resource01", "Resource99"))

    done = _run("import", str(path), "--url", f"sqlite:///{tmp_path}/data")

    assert done.returncode == 1
    assert "\nCommandIdReused: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_import_command_ends_quietly_when_whoever_reads_its_output_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    _write(path, list(sample_rows(5)))
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "examples.permits", "import", str(path), "--url", f"sqlite:///{tmp_path}/data"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writing)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_the_import_command_tells_what_is_wrong_with_a_file_and_fails(tmp_path: Path) -> None:
    done = _run("import", str(tmp_path / "nothing.csv"), "--url", f"sqlite:///{tmp_path}/data")

    assert done.returncode == 1
    assert "LogError: cannot read" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def _fact(line: Line) -> str:
    if isinstance(line.command, CompleteStep):
        return f"task:{line.command.task_id}"
    return {ReceiveCase: "CaseReceived", PlanEnd: "EndPlanned", CloseCase: "CaseClosed"}[type(line.command)]


def _write(path: Path, rows: list[Row]) -> None:
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")


def _import(path: Path, folder: Path) -> str:
    done = _run("import", str(path), "--url", f"sqlite:///{folder}/data")
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.permits", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
