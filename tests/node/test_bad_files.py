"""A file or folder that cannot be the application's: refused with what is wrong, and nothing is changed in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TypeAlias

import apsw
import pytest

from tests.faults.bank import Deposit, GetStatement, bank
from tests.faults.stored import rows_of, stored_in
from twofold.errors import (
    ForeignFile,
    HistoryMismatch,
    NewerSchema,
    StoreError,
    StoreUnavailable,
    UnsafeSqlite,
)

pytestmark = pytest.mark.anyio

Spoil: TypeAlias = Callable[[Path], object]
FILES = ["history.db", "views.db"]


def noise(size: int) -> bytes:
    return Random(1).randbytes(size)


def run_sql(path: Path, sql: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(sql)
    connection.close()


async def open_once(folder: Path) -> None:
    async with bank.open(f"sqlite:///{folder}") as node:
        await node.send(Deposit("a"))
        await node.caught_up()


FOREIGN: dict[str, Spoil] = {
    "text": lambda path: path.write_text("Dear diary, " * 1000),
    "random bytes": lambda path: path.write_bytes(noise(50_000)),
    "zeros": lambda path: path.write_bytes(bytes(8192)),
    "a SQLite header and nothing right behind it": lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(5000)),
    "another application's database": lambda path: run_sql(
        path, "CREATE TABLE notes (x); INSERT INTO notes VALUES (1)"
    ),
    "a database with another application id": lambda path: run_sql(
        path, "PRAGMA application_id = 7; CREATE TABLE t (x)"
    ),
    "an empty database with a version": lambda path: run_sql(path, "PRAGMA user_version = 3"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("what", FOREIGN)
async def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path: Path, name: str, what: str) -> None:
    FOREIGN[what](tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(ForeignFile) as caught:
        await open_once(tmp_path)
    assert caught.value.path == str(tmp_path / name)
    assert "nothing was changed in it" in str(caught.value)
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("name", FILES)
async def test_a_file_of_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    await open_once(tmp_path)
    run_sql(tmp_path / name, "PRAGMA user_version = 99")
    before = (tmp_path / name).read_bytes()
    with pytest.raises(NewerSchema) as caught:
        await open_once(tmp_path)
    assert (caught.value.found, caught.value.path) == (99, str(tmp_path / name))
    assert "upgrade Twofold" in str(caught.value)
    assert (tmp_path / name).read_bytes() == before


async def test_the_two_files_are_not_taken_for_each_other(tmp_path: Path) -> None:
    await open_once(tmp_path / "data")
    for one, other in (FILES, FILES[::-1]):
        folder = tmp_path / one
        folder.mkdir()
        shutil.copy(tmp_path / "data" / one, folder / other)
        with pytest.raises(ForeignFile, match="application id"):
            await open_once(folder)


@pytest.mark.parametrize("name", FILES)
async def test_an_empty_file_is_made_one_of_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    await open_once(tmp_path)
    await open_once(tmp_path)
    assert len(stored_in(tmp_path).records) == 2


@pytest.mark.parametrize("name", FILES)
async def test_a_damaged_page_is_an_error_and_never_a_wrong_answer(tmp_path: Path, name: str) -> None:
    await open_once(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[4096:] = noise(len(content) - 4096)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StoreError) as caught:
        await open_once(tmp_path)
    assert caught.value.code == "foreign_file"


async def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    await open_once(tmp_path)
    content = (tmp_path / "history.db").read_bytes()
    (tmp_path / "history.db").write_bytes(content[: len(content) // 2 + 100])
    with pytest.raises(ForeignFile):
        await open_once(tmp_path)


@pytest.mark.parametrize("name", FILES)
async def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(StoreUnavailable) as caught:
        await open_once(tmp_path)
    assert caught.value.path == str(tmp_path / name)


@pytest.mark.parametrize("below", [".", "deeper/still"])
async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "data").write_text("I am a file")
    with pytest.raises(StoreUnavailable):
        await open_once(tmp_path / "data" / below)
    assert (tmp_path / "data").read_text() == "I am a file"


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A folder with a bank's files in it that this process cannot write, whoever runs it."""
    folder = tmp_path / "locked"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    mounts = (["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)])
    if any(subprocess.run(mount, check=False, capture_output=True).returncode for mount in mounts):
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)
        pytest.skip("root writes everywhere, and no folder can be mounted read-only here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_folder_that_cannot_be_written_is_refused(unwritable: Path) -> None:
    for folder in (unwritable, unwritable / "below"):
        with pytest.raises(StoreUnavailable) as caught:
            await open_once(folder)
        assert str(unwritable) in caught.value.path


async def test_a_sqlite_with_the_log_reset_bug_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(UnsafeSqlite) as caught:
        await open_once(tmp_path)
    assert (caught.value.found, caught.value.needed) == ("3.51.2", "3.51.3")
    assert list(tmp_path.iterdir()) == []


async def test_read_models_of_another_history_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    await open_once(one)
    await open_once(other)
    shutil.copy(one / "views.db", other / "views.db")
    with pytest.raises(HistoryMismatch, match="read model Statement does not belong to this history") as caught:
        await open_once(other)
    assert "delete the read models' file to project them anew" in str(caught.value)
    (other / "views.db").unlink()
    await open_once(other)
    assert rows_of(other)[0][:2] == ("a", 2)


async def test_read_models_that_are_ahead_of_a_restored_history_are_refused(tmp_path: Path) -> None:
    await open_once(tmp_path)
    shutil.copy(tmp_path / "history.db", tmp_path / "backup")
    await open_once(tmp_path)
    shutil.copy(tmp_path / "backup", tmp_path / "history.db")
    with pytest.raises(HistoryMismatch, match="up to position 2, the history ends at 1"):
        await open_once(tmp_path)
    assert len(stored_in(tmp_path).records) == 1


async def test_a_folder_that_was_refused_holds_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "views.db").write_text("Dear diary, " * 1000)
    for _ in range(3):
        with pytest.raises(ForeignFile):
            await open_once(tmp_path)
    (tmp_path / "views.db").unlink()
    # Nothing of it was stored, no lock is held, and the log of the history was put away.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.db"]
    await open_once(tmp_path)
    assert len(stored_in(tmp_path).records) == 1


async def test_an_address_below_the_home_folder_and_a_missing_one_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with bank.open("sqlite:///~/deep/er") as node:
        receipt = await node.send(Deposit("a"))
        assert await node.ask(GetStatement("a"), after=receipt) is not None
    assert (tmp_path / "deep" / "er" / "history.db").exists()
