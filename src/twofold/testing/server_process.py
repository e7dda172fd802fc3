"""What the servers of the tests share: a folder and a port of their own, a start, and an end that nothing prevents."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

from twofold.errors import StoreUnavailable

HOST = "127.0.0.1"
PATIENCE = 60.0
CHILD: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "TZ": "UTC"}, "start_new_session": True}
_LOOK = 0.01
_TRIES = 5
# The keeper outlives whoever started the server by as long as it takes to end it and to delete its folder.
_KEEPER = """
cat > /dev/null
pid=$(head -n 1 "$1/$2" 2> /dev/null) && kill -"$3" "$pid" 2> /dev/null &&
    for each in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2> /dev/null || break; sleep 0.5; done
rm -rf "$1"
"""


class ServerProcess(ABC):
    """A server in a folder of its own, on a port that was free.

    Args:
        name: what it is called in errors.
        folder: new, and the server's alone.
        pid: the file in it whose first line is the server's process id.
        at_once: the signal that ends the server without delay.
        child: further arguments of `Popen` for all of its processes.
    """

    def __init__(self, name: str, folder: Path, pid: str, at_once: Signals, child: dict[str, Any]) -> None:
        self._name = name
        self._folder = folder
        self._at_once = at_once
        self._child = child
        self._port = free_port()
        self._was_ready = False
        self._process: subprocess.Popen[Any] | None = None
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(folder), pid, at_once.name.removeprefix("SIG")],
            stdin=subprocess.PIPE, **child,
        )  # fmt: skip

    def start(self) -> None:
        """Start the server; return when it answers.

        Raises:
            StoreUnavailable: it does not; with the end of its log.
        """
        for _ in range(_TRIES):
            self._process = self._started()
            if self._becomes_ready(self._process):
                self._was_ready = True
                return
            self.end(self._at_once)
            if self._was_ready or "Address already in use" not in self._log():
                break
            # Somebody else was faster to take the port that was free a moment ago.
            self._port = free_port()
        raise StoreUnavailable(path=self._name, problem=f"it does not start; its log:\n{self._log()}")

    def end(self, signal: Signals) -> None:
        """End the server by a signal; it is killed where that takes more than a minute."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(SIGKILL)
            process.wait()

    def close(self) -> None:
        """End the server and delete its folder."""
        self.end(self._at_once)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper.wait()

    @abstractmethod
    def _started(self) -> subprocess.Popen[Any]:
        """Start the process, with its output in the file `log` of the folder."""

    @abstractmethod
    def _answers(self, process: subprocess.Popen[Any]) -> bool:
        """Tell whether the server takes connections by now."""

    def _becomes_ready(self, process: subprocess.Popen[Any]) -> bool:
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            if self._answers(process):
                return True
            time.sleep(_LOOK)
        return False

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]


def free_port() -> int:
    """Return a port that nobody listens on; somebody may, a moment later."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
