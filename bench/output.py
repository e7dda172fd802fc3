"""Where the results of a run are written."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import msgspec

from bench import curves, plot, report

ROOT = Path(__file__).resolve().parent.parent


class Files(msgspec.Struct, frozen=True):
    """A file, or none, for each form of the results."""

    markdown: Path | None
    docs: Path | None
    json: Path | None
    csv: Path | None
    svg: Path | None
    charts: Path | None


def files_of(options: argparse.Namespace) -> Files:
    """Return what is to be written; a quick or partial run replaces no recorded numbers unless it is told where to."""
    whole = not (options.quick or options.tiny or options.only)
    default = {
        "markdown": ROOT / "bench" / "results.md",
        "docs": ROOT / "docs" / "benchmarks.md",
        "json": ROOT / "bench" / "results.json",
        "csv": ROOT / "bench" / "results.csv",
        "svg": ROOT / "docs" / "benchmarks.svg",
        "charts": ROOT / "docs" / "charts",
    }
    return Files(**{name: getattr(options, name) or (path if whole else None) for name, path in default.items()})


def write(files: Files, results: report.Results) -> None:
    """Write the results in every form that has a file."""
    if files.charts is not None:
        files.charts.mkdir(parents=True, exist_ok=True)
        for chart in results.charts:
            (files.charts / f"{chart.name}.svg").write_text(curves.svg(chart), "utf-8")
    if files.markdown is not None:
        files.markdown.write_text(report.markdown(results, pictures=_pictures(files, files.markdown)), "utf-8")
    if files.docs is not None:
        text = report.markdown(results, pictures=_pictures(files, files.docs))
        files.docs.write_text(report.pasted(files.docs.read_text("utf-8"), text), "utf-8")
    if files.csv is not None:
        files.csv.write_text(report.comma_separated(results.rows, results.charts), "utf-8")
    if files.svg is not None:
        files.svg.write_text(plot.svg(results.rows), "utf-8")
    if files.json is not None:
        files.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def _pictures(files: Files, document: Path) -> str:
    if files.charts is None:
        return ""
    return Path(os.path.relpath(files.charts.resolve(), document.resolve().parent)).as_posix()
