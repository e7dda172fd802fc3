"""`docs/http.md` says what the code does: its tables, its numbers, and its curl example."""

import inspect
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.http.client import served, to
from tests.http.test_problem import every_error
from tests.http.test_server import environment, running
from tests.http.tickets import app
from twofold.errors import StoreError
from twofold.http import asgi, fields, headers, serve
from twofold.http.body import DEPTH
from twofold.http.problem import ERRORS, REFUSALS, rule_of

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(cell: str) -> set[str]:
    return set(re.findall("`([^`]+)`", cell))


def test_every_code_is_in_the_table_with_its_status() -> None:
    told = {(int(status), name) for status, code, _, _ in rows("Problems") for name in names_in(code)}
    expected = {(rule.status, code) for code, rule in REFUSALS.items()}
    expected |= {(rule.status, error.code) for error, rule in ERRORS.items()}
    assert told == (expected - {(409, "rejected"), (500, "twofold_error")}) | {(500, "internal")}
    assert any(row[0] == "409" for row in rows("Problems"))


def test_every_member_is_in_the_table() -> None:
    told = {name: names_in(members) for _, code, _, members in rows("Problems") for name in names_in(code)}
    for code, rule in (*REFUSALS.items(), *((error.code, rule) for error, rule in ERRORS.items())):
        if code in told:
            assert told[code] == set(rule.facts) | ({"incident"} if rule.logged else set()), code


def test_the_other_errors_of_the_storage_are_told_alike() -> None:
    for error in every_error():
        if issubclass(error, StoreError) and error not in ERRORS:
            assert rule_of(error.__new__(error)) is ERRORS[StoreError]


def test_every_header_is_in_the_table() -> None:
    told = {name for row in rows("Headers") for name in names_in(row[0])}
    assert told == {
        headers.IDEMPOTENCY_KEY,
        headers.IF_MATCH,
        headers.PREFER,
        headers.APPLIED,
        headers.AFTER,
        headers.MAX_LAG,
        headers.AS_OF,
        headers.TIMEOUT,
        headers.POSITION,
        headers.NEXT,
        headers.LAST_EVENT_ID,
        headers.ETAG,
        headers.IF_NONE_MATCH,
        "Accept",
        "Retry-After",
    }


async def test_every_path_in_the_table_answers_with_its_method() -> None:
    methods = {path: method for method, path, _ in rows("Routes") for path in [path.strip("`")]}
    assert set(methods) >= {"/openapi.json", "/docs", "/health/live", "/health/ready", "/"}
    async with served("memory:") as client:
        for method, path, _ in rows("Routes"):
            kind = "GetTicket" if "queries" in path else "OpenTicket"
            answer = await client.http.request(method, path.strip("`").replace("{Name}", kind))
            assert answer.status_code not in (404, 405), path


def test_the_numbers_are_those_of_the_code() -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(asgi).parameters.items()}
    assert defaults["max_body"] == 1024 * 1024
    assert "at most 1 MiB (`max_body=`)" in PAGE
    assert f"within {defaults['body_timeout']:g} s (`body_timeout=`)" in PAGE
    assert f"{DEPTH} levels" in PAGE
    assert fields.LONGEST_QUERY == 64 * 1024
    assert f"64 KiB and {fields.MOST_FIELDS:,}\nfields" in PAGE
    assert f"0 to {headers.LONGEST_TIMEOUT:g}, {headers.DEFAULT_TIMEOUT:g} if left out" in PAGE
    assert f"more than so many seconds ago: 0 to {headers.LONGEST_LAG:.0f} " in PAGE
    assert f"1 to {headers.LONGEST_KEY}\nvisible" in PAGE
    assert str(headers.COMMAND_IDS) in PAGE
    assert f"{inspect.signature(serve).parameters['grace'].default:g} s (`grace=`)" in PAGE


async def test_the_type_of_every_problem_is_told() -> None:
    async with to(asgi(app, "memory:")) as http:
        answer = await http.get("/nothing")
    for member in answer.json():
        assert f"`{member}`" in PAGE


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_example_does_what_it_says(tmp_path: Path) -> None:
    example = PAGE.split("```sh\n")[2].split("```")[0]
    with running(f"sqlite:///{tmp_path}/data") as (_, address):
        script = example.replace("http://127.0.0.1:8000", address).replace("curl ", "curl -sS -w '\\n' ")
        done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, timeout=60)
    expected = [line.removeprefix("# ") for line in example.splitlines() if line.startswith("# ")]
    found = [re.sub(r'"command_id":"[^"]+"', '"command_id":"…"', line) for line in done.stdout.splitlines()]
    assert found == expected, done.stderr


def test_the_command_that_runs_the_example_starts_it(tmp_path: Path) -> None:
    line = PAGE.split("```sh\n")[1].split("\n")[0]
    assert line.startswith("twofold run ")
    command = [sys.executable, "-m", "twofold.cli", *line.split()[1:-1], "0"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert "http://127.0.0.1:" in first, errors
    assert process.returncode == 0, errors
