"""The engines under test; each is a line here."""

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest

from twofold.engines.memory import MemoryHistory
from twofold.engines.sqlite import SqliteHistory
from twofold.testing.contracts import Engine, HistoryEngine


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[], Path]:
    return lambda: Path(mkdtemp(dir=tmp_path))


def memory_history() -> HistoryEngine:
    return Engine("memory", lambda place: MemoryHistory(), cannot={"reopen", "share"})


def sqlite_history(folder: Callable[[], Path]) -> HistoryEngine:
    return Engine("sqlite", SqliteHistory, place=folder)
