"""A PgBouncer that gives each transaction another session, in front of a server of the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
    own_port = free_port()
    with tempfile.TemporaryDirectory() as name:
        settings = Path(name) / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                host=parts.hostname, port=parts.port, user=parts.username,
                password=f" password={parts.password}" if parts.password else "",
                own_port=own_port, sessions=sessions,
            )
        )  # fmt: skip
        with (Path(name) / "log").open("wb") as log:
            process = subprocess.Popen([program(), settings], stdout=log, stderr=log, **_as_nobody(Path(name)))
        try:
            _wait_for(own_port, process, Path(name) / "log")
            user = f"{parts.username}:unused@" if parts.username else ""
            yield parts._replace(netloc=f"{user}127.0.0.1:{own_port}").geturl()
        finally:
            process.kill()
            process.wait()


def _as_nobody(folder: Path) -> dict[str, Any]:
    # It refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _wait_for(port: int, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            running = process.poll() is None and time.monotonic() < deadline
            assert running, f"PgBouncer does not start: {log.read_text()}"
            time.sleep(0.01)
