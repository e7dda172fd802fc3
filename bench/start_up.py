"""Start-up: the import of the package, and the opening of a node."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import apsw
from examples.profiles.app import app

from bench.child import ROOT
from bench.filled import fill, project
from bench.result import Row, row
from bench.rounds import Readings, Run
from bench.workload import users

_TIMED = "import time; started = time.perf_counter(); import {}; print((time.perf_counter() - started) * 1000)"


def importing(name: str, modules: str, times: int, _: Path) -> Readings:
    """Return the median milliseconds of an import in a new interpreter."""
    command = [sys.executable, "-c", _TIMED.format(modules)]
    found = [
        float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        for _number in range(times)
    ]
    return {name: median(found)}


def bare_opening(data: Path, times: int, _: Path) -> Readings:
    """Return the median milliseconds in which plain apsw opens both files for writing and reads one row of each."""
    found: list[float] = []
    for _number in range(times):
        started = time.perf_counter()
        for file, text in (("history.db", "SELECT max(position) FROM events"), ("views.db", "SELECT 1 FROM profile")):
            with closing(apsw.Connection(str(data / file))) as connection:
                connection.execute(text).fetchall()
        found.append((time.perf_counter() - started) * 1_000)
    return {"floor": median(found)}


def opening(name: str, data: Path | None, times: int, folder: Path) -> Readings:
    """Return the median milliseconds until a full node is ready, on a folder with data or each time on a new one."""

    async def run() -> list[float]:
        found: list[float] = []
        for number in range(times):
            url = f"sqlite:///{data or folder / str(number)}"
            started = time.perf_counter()
            async with app.open(url):
                found.append((time.perf_counter() - started) * 1_000)
        return found

    return {name: median(asyncio.run(run()))}


def measure(run: Run) -> Sequence[Row]:
    """Measure imports in new interpreters, and opening a node on a projected history and on nothing."""
    sizes = run.sizes
    with run.new_folder() as data:
        fill(data, users(sizes.rows), sizes.rows)
        project(data)
        series = run.interleave(
            partial(importing, "bare import", "asyncio, msgspec, apsw", sizes.opens),
            partial(importing, "import", "twofold", sizes.opens),
            partial(bare_opening, data, sizes.opens),
            partial(opening, "open", data, sizes.opens),
            partial(opening, "new", None, sizes.opens),
        )
    return [
        row(
            "import twofold", "in a new interpreter, without the interpreter's own start", "ms",
            series["import"], floor=series["bare import"], floor_measured="import asyncio, msgspec, apsw",
        ),
        row(
            "open a node", f"full node on {sizes.rows:,} projected events", "ms",
            series["open"], floor=series["floor"], floor_measured="both files opened and read through apsw",
        ),
        row("open a new folder", "full node, both files made first", "ms", series["new"]),
    ]  # fmt: skip
