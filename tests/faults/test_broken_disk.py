"""A write or sync of the history fails, or the disk is full: nobody is told what is not so (F9, H7)."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.faults.answers import Answers
from tests.faults.bank import Deposit, bank
from tests.faults.broken_disk import Case, cases, check_case
from tests.faults.stored import Lost, stored_in
from twofold import Receipt
from twofold.engines.sqlite import SqliteHistory, writer
from twofold.errors import StoreFull

NUMBERS = [*range(1, 16), 20, 25, 30, 40, 50]
CASES = cases(NUMBERS)
SYNC_CASES = [case for case in CASES if case.kind == "sync"]


def check_all(them: Sequence[Case]) -> list[Answers]:
    return [check_case(case) for case in them]


@pytest.mark.parametrize("code", sorted({case.code for case in CASES}))
def test_after_a_failed_write_or_sync_everybody_was_told_the_truth(code: int) -> None:
    answers = check_all([case for case in CASES if case.code == code])
    assert len(answers) == len(NUMBERS)
    assert sum(bool(each.refused or each.unknown) for each in answers) > len(NUMBERS) // 2


def test_failed_writes_of_the_file_itself_are_made_up_for_by_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_CHECKPOINT_PAGES", 10)
    for kind, code in (("write", apsw.SQLITE_IOERR_WRITE), ("sync", apsw.SQLITE_IOERR_FSYNC)):
        for number in (1, 2, 3):
            answers = check_case(Case(kind, number, code, ending="history.db"))  # type: ignore[arg-type]
            assert not answers.refused
            assert not answers.unknown


@pytest.mark.parametrize("code", [apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_FULL])
def test_failed_writes_of_the_read_models_are_done_again_and_no_sender_hears_of_them(code: int) -> None:
    for number in (1, 2, 3, 4, 7):
        answers = check_case(Case("write", number, code, ending="views.db-wal"))
        assert not answers.refused
        assert not answers.unknown


def test_control_a_failed_sync_that_is_not_overwritten_comes_back_after_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def leave_it(self: SqliteHistory) -> None:
        return None

    monkeypatch.setattr(SqliteHistory, "_overwrite", leave_it)
    with pytest.raises(Lost, match="its sender was told that nothing was"):
        check_all(SYNC_CASES)


def test_control_a_commit_whose_failure_is_ignored_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ignore(self: SqliteHistory, standing: Any, failure: Any) -> None:
        return None

    monkeypatch.setattr(SqliteHistory, "_look_up", ignore)
    with pytest.raises(AssertionError):
        check_all(SYNC_CASES)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "twofold-test", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.anyio
async def test_a_full_disk_refuses_commands_and_goes_on_when_there_is_space(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    receipts: list[Receipt] = []
    folder = small_disk / "data"
    async with bank.open(f"sqlite:///{folder}", roles=["write"]) as node:

        async def fill() -> None:
            while True:
                receipts.extend(await asyncio.gather(*(node.send(Deposit(f"a{n}" * 50)) for n in range(20))))

        with pytest.raises(StoreFull) as caught:
            await fill()
        assert "free some space" in str(caught.value)
        ballast.unlink()
        receipts.append(await node.send(Deposit("a")))
    stored = stored_in(folder)
    stored.check()
    stored.check_acknowledged((receipt.command_id, receipt.position) for receipt in receipts)
