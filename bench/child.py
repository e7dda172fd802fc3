"""Other Python processes that take part in a measurement; each prints JSON lines and is told when to go on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from bench.result import WrongResult

_LIMIT = 3_600.0
ROOT = Path(__file__).resolve().parent.parent


class Child:
    """A running `python -m MODULE` of this repository."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, word: str = "") -> None:
        """Write a line to its standard input."""
        pipe = _open(self._process.stdin)
        pipe.write(f"{word}\n")
        pipe.flush()

    def hear(self) -> Any:
        """Return the next value that it prints.

        Raises:
            WrongResult: it ended instead.
        """
        line = _open(self._process.stdout).readline()
        if not line:
            raise WrongResult(f"a child process ended with status {self._process.wait()} before it answered")
        return msgspec.json.decode(line)


@contextmanager
def child(module: str, *arguments: str | int | Path) -> Iterator[Child]:
    """Start a child and end it at the end of the block, however that is left."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    # A child that hangs must not hang the run: what waits for it then hears that it ended.
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(_LIMIT, process.kill)
        limit.start()
        try:
            yield Child(process)
            _open(process.stdin).close()
            process.wait(60)
        finally:
            limit.cancel()
            process.kill()


def say(value: Any) -> None:
    """In a child: print a value for the parent."""
    print(msgspec.json.encode(value).decode(), flush=True)


def _open(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
