"""The demo's server: a child process that serves the office over HTTP, and ends with the one that started it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

from examples.permits.app import app
from examples.permits.places import analytics_in, words_of
from twofold.http import serve
from twofold.storage import ROLES, Role

HOST = "127.0.0.1"
_START = 60.0
_GRACE = 15.0


class ServerError(Exception):
    """The server did not start, or ended; the message holds the end of what it said."""


class Server:
    """The child process, as a context manager.

    Args:
        folder: where the history and the server's own output are kept.
        port: the port to listen on; 0 for any that is free.
        url: where the history is; in the folder if left out.
        views: where read models are, by store; analytics in the folder, the others beside the history if left out.
        roles: which sides it runs; all if left out.

    Attributes:
        process: the child.
        port: the port that it listens on.

    Raises:
        ServerError: it does not answer within a minute.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        url: str = "",
        views: Mapping[str, str] | None = None,
        roles: Collection[Role] = ROLES,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._said = folder / "server.log"
        # Not as arguments, which other users of the machine see: the URL may hold a password.
        places = words_of(analytics_in(folder) if views is None else views)
        environment = {"TWOFOLD_URL": url or f"sqlite:///{folder}", "TWOFOLD_VIEWS": places}
        self.process = self._start(port, roles, environment)
        self.port = port

    def __enter__(self) -> Self:
        try:
            self.port = self._announced()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    def get(self, path: str) -> tuple[int, Any]:
        """Return the status and the JSON of an answer; 0 and None while nobody answers."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def check(self) -> None:
        """Raise ServerError if it has ended."""
        if self.process.poll() is not None:
            end = self._said.read_text(errors="replace")[-2000:]
            raise ServerError(f"the server ended with status {self.process.returncode}:\n{end}")

    def stop(self) -> None:
        """Ask it to end, wait until every acknowledged command is durable; kill it if it does not end."""
        self.process.terminate()
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def _start(self, port: int, roles: Collection[Role], environment: dict[str, str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "examples.permits", "serve", "--port", str(port), "--roles", *roles]
        with self._said.open("w") as said:
            # A session of its own: Ctrl-C reaches the demo alone, which ends the server when it has hung up.
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,
                env=os.environ | environment,
            )

    def _announced(self) -> int:
        assert self.process.stdout is not None
        patience = threading.Timer(_START, self.process.kill)
        patience.start()
        text = self.process.stdout.readline().strip()
        patience.cancel()
        if not text:
            self.process.wait(_GRACE)
            self.check()
        return int(text.rpartition(":")[2].rstrip("/"))

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _START
        while self.get("/health/ready")[0] != 200:
            self.check()
            if time.monotonic() > end:
                raise ServerError(f"no answer from {self.address}/health/ready within {_START:g} s")
            time.sleep(0.05)


def serve_until_let_go(url: str, port: int, views: Mapping[str, str], roles: Collection[Role]) -> int:
    """Serve, print the address, and end as at SIGTERM when standard input ends: then the demo is gone."""

    def watch() -> None:
        # Not `sys.stdin.read()`: it would hold a lock that the interpreter wants when it ends.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    announce = lambda address: print(address, flush=True)  # noqa: E731
    serve(app, url, host=HOST, port=port, views=views, roles=roles, announce=announce)
    return 0
