"""Where read models are kept: those of every day in DuckDB, where it is installed, the others beside the history.

A DuckDB file is one process's, so each node has its own, filled from the history like everything a node keeps.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path


def analytics_in(folder: Path | str) -> dict[str, str]:
    """Return the place of the store "analytics": DuckDB in a folder; none, which is beside the rest, without DuckDB."""
    return {"analytics": f"duckdb:///{folder}"} if find_spec("duckdb") else {}


def beside(url: str) -> dict[str, str]:
    """Return the same in the folder of a history on SQLite."""
    scheme, _, folder = url.partition(":///")
    return analytics_in(folder) if scheme == "sqlite" else {}


def words_of(views: Mapping[str, str]) -> str:
    """Return places as TWOFOLD_VIEWS has them."""
    return " ".join(f"{name}={url}" if name else url for name, url in views.items())


def views_of(words: Sequence[str]) -> dict[str, str]:
    """Return places from words: `URL` for all that is said of no store by name, `NAME=URL` for one."""
    parted = [word.partition("=") for word in words]
    return {name if between else "": url if between else name for name, between, url in parted}
