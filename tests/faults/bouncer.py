"""A PgBouncer that gives each transaction another session, in front of a server of the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from twofold.testing.server_process import free_port

_PATIENCE = 30.0
_SETTINGS = """
[databases]
* = host={host} port={port} user={user}{password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 1000
server_lifetime = 3600
ignore_startup_parameters = extra_float_digits
"""


def program() -> str:
    """Return where PgBouncer is; skip the test, saying what is missing, where it is not."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    return found


@contextmanager
def bouncer(server: str, *, sessions: int = 3) -> Iterator[str]:
    """Run one in transaction mode; give the URL by which the same database is reached through it.

    Args:
        server: the URL of a database, with user and password.
        sessions: how many it opens for each database and user, however many clients there are.
    """
    parts = urlsplit(server)
    with tempfile.TemporaryDirectory() as name:
        process, own_port = _started(parts, Path(name), sessions)
        try:
            user = f"{parts.username}:unused@" if parts.username else ""
            yield parts._replace(netloc=f"{user}127.0.0.1:{own_port}").geturl()
        finally:
            process.kill()
            process.wait()


def _started(parts: SplitResult, folder: Path, sessions: int) -> tuple[subprocess.Popen[Any], int]:
    """Start one on a port that was free; on another where somebody else was faster to take it."""
    while True:
        own_port = free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                host=parts.hostname, port=parts.port, user=parts.username,
                password=f" password={parts.password}" if parts.password else "",
                own_port=own_port, sessions=sessions,
            )
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program(), settings], stdout=log, stderr=log, **_as_nobody(folder))
        if _listens(process, folder / "log"):
            return process, own_port


def _as_nobody(folder: Path) -> dict[str, Any]:
    # It refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _listens(process: subprocess.Popen[Any], log: Path) -> bool:
    """Tell, as soon as it is known, whether it has the port."""
    deadline = time.monotonic() + _PATIENCE
    while "process up" not in log.read_text():
        if process.poll() is not None:
            assert "Address already in use" in log.read_text(), f"PgBouncer does not start: {log.read_text()}"
            return False
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise AssertionError(f"PgBouncer does not start: {log.read_text()}")
        time.sleep(0.01)
    return True
