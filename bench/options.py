"""The options of `python -m bench`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.measurements import MEASUREMENTS
from bench.profile import WORKS


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    found = argparse.ArgumentParser(prog="python -m bench", description="Measure Twofold against its machine's floor.")
    found.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    found.add_argument("--tiny", action="store_true", help="only to see that it runs; the numbers mean nothing")
    found.add_argument("--long", action="store_true", help="grow the histories to ten million events")
    found.add_argument("--only", action="append", choices=[*MEASUREMENTS], help="one measurement; may be repeated")
    found.add_argument("--profile", choices=[*WORKS], help="measure nothing; tell where the time of one work goes")
    found.add_argument("--rounds", type=_positive, help="rounds that count, after one that does not")
    found.add_argument("--folder", type=Path, help="a folder on the disk to measure (default: the repository's)")
    _add_files(found)
    return found


def _add_files(found: argparse.ArgumentParser) -> None:
    found.add_argument("--markdown", type=Path, metavar="FILE", help="default for a full run: bench/results.md")
    found.add_argument("--docs", type=Path, metavar="FILE", help="pasted between two markers: docs/benchmarks.md")
    found.add_argument("--json", type=Path, metavar="FILE", help="default for a full run: bench/results.json")
    found.add_argument("--csv", type=Path, metavar="FILE", help="every round; for a full run: bench/results.csv")
    found.add_argument("--svg", type=Path, metavar="FILE", help="bars; for a full run: docs/benchmarks.svg")
    found.add_argument("--charts", type=Path, metavar="FOLDER", help="curves; for a full run: docs/charts")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number
