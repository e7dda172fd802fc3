"""`python -m bench`: run the measurements, print a table, write Markdown, JSON, CSV and pictures."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench import machine, output, profile, report
from bench.chart import Chart
from bench.measurements import MEASUREMENTS
from bench.options import parser
from bench.result import Row, WrongResult
from bench.rounds import Run
from bench.sizes import BY_NAME, LONGEST


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the harness; returns 0 when every result was right, whether or not targets were met."""
    options = parser().parse_args(arguments)
    parent = (options.folder or output.ROOT).resolve()
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=parent) as folder:
        sizes = BY_NAME["tiny" if options.tiny else "quick" if options.quick else "full"]
        if options.long:
            sizes = msgspec.structs.replace(sizes, growth=(*sizes.growth, LONGEST))
        run = Run(sizes, options.rounds or sizes.rounds, Path(folder), lambda text: print(text, file=sys.stderr))
        try:
            if options.profile:
                print(profile.told(options.profile, run))
                return 0
            results = measured(run, options.only or MEASUREMENTS)
        except WrongResult as error:
            print(f"wrong result: {error}", file=sys.stderr)
            return 1
    print("\n".join(f"{name}: {value}" for name, value in results.machine.items()), end="\n\n")
    print(report.text_table(results.rows))
    print("\n{met} targets met, {missed} missed".format(**report.summary(results.rows)))
    output.write(output.files_of(options), results)
    return 0


def measured(run: Run, names: Iterable[str]) -> report.Results:
    """Run measurements one after another; the first wrong result ends them."""
    facts = machine.facts(run.folder)
    if facts["file system"] in ("tmpfs", "ramfs"):
        run.say("this folder is in memory: its commits cost nothing, so the numbers say nothing about a disk")
    rows: list[Row] = []
    charts: list[Chart] = []
    seconds: dict[str, float] = {}
    for name in names:
        run.say(name)
        started = time.perf_counter()
        for found in MEASUREMENTS[name](run):
            if isinstance(found, Row):
                rows.append(found)
            else:
                charts.append(found)
        seconds[name] = time.perf_counter() - started
    facts |= machine.peers()  # what is installed at the first such measurement
    return report.Results(run.sizes.name, run.rounds, facts, rows, charts, seconds, run.skipped)


if __name__ == "__main__":
    sys.exit(main())
