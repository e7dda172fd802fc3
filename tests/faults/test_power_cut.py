"""The power is cut at any moment: with `synchronous=FULL` nothing acknowledged is lost and nothing is corrupt (F8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.disk import Platter
from tests.faults.power import check_cut, check_reopened, notes_of
from tests.faults.stored import Lost
from twofold.engines.sqlite import file, history, writer


@pytest.fixture(autouse=True)
def _often_checkpointed(monkeypatch: pytest.MonkeyPatch) -> None:
    # The log is moved into the file every few commits, so that cuts fall into that too.
    monkeypatch.setattr(writer, "_CHECKPOINT_PAGES", 40)


def test_power_cuts_lose_nothing_that_was_acknowledged_and_corrupt_nothing(tmp_path: Path) -> None:
    notes = notes_of(tmp_path / "live", restarts=3, waves=20, width=9)
    Platter.cuts(notes, 150, 1, check_cut, tmp_path)


def test_after_a_power_cut_a_node_takes_up_history_and_read_models(tmp_path: Path) -> None:
    notes = notes_of(tmp_path / "live", restarts=2, waves=12, width=9)
    Platter.cuts(notes, 25, 2, check_reopened, tmp_path)


def test_control_without_full_synchronisation_the_cuts_do_lose_what_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_durable(*arguments: Any, **options: Any) -> file.File:
        return file.File(*arguments, **{**options, "durable": False})

    monkeypatch.setattr(history, "File", not_durable)
    notes = notes_of(tmp_path / "live", restarts=2, waves=20, width=9)
    lost = 0

    def check(folder: Path, told: list[Any]) -> None:
        nonlocal lost
        try:
            check_cut(folder, told)
        except Lost:
            lost += 1

    Platter.cuts(notes, 40, 3, check, tmp_path)
    # Half of the cuts lose something: less than six of 40 do so once in a million times.
    assert lost > 5
