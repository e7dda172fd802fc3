"""Starting, following and killing worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.worker import Options

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0


class Worker:
    """A process that runs one task; what it says goes to a file, so that nothing is lost when it is killed."""

    def __init__(self, task: str, options: Options, output: Path, first_line: str | None = None) -> None:
        self._task, self._output = task, output
        with output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker", task, msgspec.json.encode(options).decode()],
                stdin=subprocess.PIPE,
                stdout=out,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
            )
        if first_line is not None:
            self.write(first_line)

    def write(self, line: str) -> None:
        """Give it a line on its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def said(self) -> list[Any]:
        """Return all whole lines that it has written."""
        lines = self._output.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line) for line in lines]

    def wait_until(self, reached: Callable[[list[Any]], bool]) -> list[Any]:
        """Return what it has said as soon as that is enough, or it has ended."""
        deadline = time.monotonic() + PATIENCE
        while True:
            ended = self.process.poll() is not None
            said = self.said()
            if reached(said) or ended:
                return said
            assert time.monotonic() < deadline, f"{self._task} said no more than {said[-3:]}"
            time.sleep(0.002)

    def finish(self) -> list[Any]:
        """Return all that it has said when it has ended well."""
        code = self.process.wait(PATIENCE)
        assert code == 0, f"{self._task} ended with {code}"
        return self.said()

    def kill(self) -> list[Any]:
        """Kill it at once, and return what it had said."""
        self.process.kill()
        self.process.wait(PATIENCE)
        return self.said()

    def close(self) -> None:
        """End it if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stdin is not None:
            self.process.stdin.close()


@contextmanager
def workers(tasks: Sequence[tuple[str, Options]], first_line: str | None = None) -> Iterator[list[Worker]]:
    """Run several workers; none outlives the block, nor does what they said."""
    running: list[Worker] = []
    with tempfile.TemporaryDirectory() as said:
        try:
            for number, (task, options) in enumerate(tasks):
                running.append(Worker(task, options, Path(said) / f"{number}-{task}", first_line))
            yield running
        finally:
            for worker in running:
                worker.close()
