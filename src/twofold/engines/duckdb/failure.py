"""What DuckDB raises, as this project's errors: refusals of a text or a value apart from failures of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from twofold.errors import ForeignFile, StoreError, StoreFailed, StoreFull, StoreUnavailable

FAILURES = (
    duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.OutOfMemoryException,
    duckdb.ConnectionException, duckdb.InterruptException, duckdb.SerializationException,
)  # fmt: skip
"""What says nothing of the text or the values; the other errors are refusals of those."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what DuckDB raises into this project's errors."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, path) from error


def translate(error: duckdb.Error, path: Path) -> StoreError:
    """Return the error of this project that says what DuckDB's means for the caller."""
    problem = first_line(error)
    if _is_held(problem):
        return StoreUnavailable(path=str(path), problem=_held(problem))
    if "not a valid DuckDB database" in problem:
        return ForeignFile(path=str(path), problem=problem)
    if "No space left" in problem:
        return StoreFull(path=str(path))
    if isinstance(error, duckdb.IOException) and ("Cannot open file" in problem or "newer version" in problem):
        return StoreUnavailable(path=str(path), problem=problem)
    return StoreFailed(path=str(path), problem=problem)


def is_held_elsewhere(error: StoreError) -> bool:
    """Tell whether another process has the file open, which may end."""
    return isinstance(error.__cause__, duckdb.IOException) and _is_held(str(error.__cause__))


def first_line(error: duckdb.Error) -> str:
    """Return what DuckDB says, without the excerpt of the statement that follows."""
    return str(error).partition("\n")[0].strip()


def _is_held(problem: str) -> bool:
    return "Could not set lock" in problem or "used by another process" in problem


def _held(problem: str) -> str:
    by = re.search(r"\(PID (\d+)\)", problem)
    whose = f"process {by[1]} has it open" if by else "another process has it open"
    return (
        f"{whose}, and DuckDB lets one process at a time open a file, even to read; ask that process, or give this one "
        "a folder of its own, where it projects for itself: views=duckdb:///OTHER_FOLDER"
    )
