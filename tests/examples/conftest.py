"""The real log, where it is at hand."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_log() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data" / "receipt.csv"
    path = Path(os.environ.get("DEMO_DATA") or beside)
    if not path.is_file():
        pytest.skip("the real log is not at hand: set DEMO_DATA, or put it at ../shared/data/receipt.csv")
    return path
