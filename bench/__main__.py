"""`python -m bench`: run the measurements, print a table, write Markdown and JSON."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from bench import (
    against,
    ask,
    catch_up,
    commands,
    decisions,
    freshness,
    long_boundary,
    machine,
    memory,
    one_at_a_time,
    over_http,
    plot,
    processes,
    report,
    start_up,
)
from bench.postgres import commands as postgres_commands
from bench.postgres import growth as postgres_growth
from bench.postgres import projection as postgres_projection
from bench.result import Row, WrongResult
from bench.rounds import Run
from bench.sizes import BY_NAME

ROOT = Path(__file__).resolve().parent.parent
MEASUREMENTS: dict[str, Callable[[Run], Sequence[Row]]] = {
    "commands": commands.measure,
    "decisions": decisions.measure,
    "one-at-a-time": one_at_a_time.measure,
    "long-boundary": long_boundary.measure,
    "catch-up": catch_up.measure,
    "ask": ask.measure,
    "freshness": freshness.measure,
    "memory": memory.measure,
    "processes": processes.measure,
    "start-up": start_up.measure,
    "against": against.measure,
    "http": over_http.measure,
    "postgres-commands": postgres_commands.measure,
    "postgres-projection": postgres_projection.measure,
    "postgres-growth": postgres_growth.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the harness; returns 0 when every result was right, whether or not targets were met."""
    options = _parser().parse_args(arguments)
    parent = (options.folder or ROOT).resolve()
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=parent) as folder:
        sizes = BY_NAME["tiny" if options.tiny else "quick" if options.quick else "full"]
        run = Run(sizes, options.rounds or sizes.rounds, Path(folder), lambda text: print(text, file=sys.stderr))
        try:
            results = _measure(run, options.only or MEASUREMENTS)
        except WrongResult as error:
            print(f"wrong result: {error}", file=sys.stderr)
            return 1
    print("\n".join(f"{name}: {value}" for name, value in results.machine.items()), end="\n\n")
    print(report.text_table(results.rows))
    print("\n{met} targets met, {missed} missed".format(**report.summary(results.rows)))
    _write(options, results)
    return 0


def _measure(run: Run, names: Iterable[str]) -> report.Results:
    facts = machine.facts(run.folder)
    if facts["file system"] in ("tmpfs", "ramfs"):
        run.say("this folder is in memory: its commits cost nothing, so the numbers say nothing about a disk")
    rows: list[Row] = []
    for name in names:
        run.say(name)
        rows += MEASUREMENTS[name](run)
    return report.Results(run.sizes.name, run.rounds, facts, rows)


def _write(options: argparse.Namespace, results: report.Results) -> None:
    # A quick or partial run does not replace the numbers of a full one unless it is told where to write.
    whole = results.sizes == "full" and not options.only
    markdown_file = options.markdown or (ROOT / "bench" / "results.md" if whole else None)
    json_file = options.json or (ROOT / "bench" / "results.json" if whole else None)
    if markdown_file is not None:
        markdown_file.write_text(report.markdown(results), "utf-8")
    docs_file = options.docs or (ROOT / "docs" / "benchmarks.md" if whole else None)
    if docs_file is not None:
        docs_file.write_text(report.pasted(docs_file.read_text("utf-8"), report.markdown(results)), "utf-8")
    if options.csv is not None:
        options.csv.write_text(report.comma_separated(results.rows), "utf-8")
    svg_file = options.svg or (ROOT / "docs" / "benchmarks.svg" if whole else None)
    if svg_file is not None:
        svg_file.write_text(plot.svg(results.rows), "utf-8")
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Twofold against its machine's floor.")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument("--tiny", action="store_true", help="only to see that it runs; the numbers mean nothing")
    parser.add_argument("--only", action="append", choices=[*MEASUREMENTS], help="one measurement; may be repeated")
    parser.add_argument("--rounds", type=_positive, help="rounds that count, after one that does not")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure (default: the repository's)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="default for a full run: bench/results.md")
    parser.add_argument(
        "--docs",
        type=Path,
        metavar="FILE",
        help="where the results are pasted between two markers; default for a full run: docs/benchmarks.md",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="default for a full run: bench/results.json")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="every round as comma-separated values")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="a picture; default for a full run: docs/benchmarks.svg"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
