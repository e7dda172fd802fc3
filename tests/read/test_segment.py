"""Which segment a key belongs to is specified: the same for ever, everywhere (version 1 of the rule)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from twofold.read.segment import segment_of
from twofold.read.table import Key

VECTORS: list[tuple[Key, int, int, int]] = [
    (("",), 0, 3, 12),
    (("a",), 1, 0, 55),
    (("Zoë",), 0, 5, 40),
    (('say "hi"\\',), 1, 6, 61),
    (("0191d3c8-7b1a-7c3e-9f4d-5a6b7c8d9e0f",), 0, 6, 60),
    ((0,), 1, 3, 55),
    ((-1,), 1, 2, 23),
    ((9223372036854775807,), 1, 0, 1),
    ((1.5,), 0, 6, 32),
    ((1e100,), 1, 4, 33),
    ((True,), 1, 6, 17),
    (("a", 1), 1, 6, 61),
    (("a", "1"), 1, 0, 39),
    (("1", "a"), 0, 5, 62),
    ((b"\x00\xff",), 0, 6, 56),
    (("line\nbreak\x01",), 1, 2, 29),
    (("2026-11-30T14:00:00.000000+00:00",), 1, 3, 35),
]
"""Keys as a table holds them, and their segments of 2, of 7, and of 64."""


@pytest.mark.parametrize(("key", "of_2", "of_7", "of_64"), VECTORS)
def test_keys_belong_to_the_segments_that_are_written_down_here(key: Key, of_2: int, of_7: int, of_64: int) -> None:
    assert [segment_of(key, count) for count in (1, 2, 7, 64)] == [0, of_2, of_7, of_64]


def test_keys_are_spread_evenly() -> None:
    counted = Counter(segment_of((f"user-{number}",), 4) for number in range(4000))
    assert all(900 < counted[segment] < 1100 for segment in range(4))


def test_it_is_the_same_in_processes_whose_own_hashes_differ() -> None:
    code = "from twofold.read.segment import segment_of; print([segment_of((f'user-{n}',), 5) for n in range(50)])"
    found = {_said(code, seed) for seed in ("1", "2")}
    assert found == {f"{[segment_of((f'user-{n}',), 5) for n in range(50)]}\n"}


def _said(code: str, seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    source = Path(__file__).resolve().parents[2] / "src"
    environment["PYTHONPATH"] = str(source)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout
