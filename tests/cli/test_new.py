"""`twofold new`: what is written works at once, and nothing is written over."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import DEADLINE, Ended, shell

Run = Callable[..., Ended]


def test_the_application_runs_and_its_test_passes_as_written(folder: Path) -> None:
    made = shell("new", "chores")
    assert (made.status, made.err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "chores.py", "test_chores.py"]
    assert "twofold run chores:app" in made.out

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "test_chores.py"],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout.decode()
    assert b"5 passed" in tested.stdout

    assert shell("send", "chores:app", "AddTask", "task_id=1", "title=water the plants").json["position"] == 1
    again = shell("send", "chores:app", "AddTask", "task_id=1", "title=again")
    assert (again.status, again.err) == (1, "rejected (task_exists): there is a task 1 already\n")
    assert shell("send", "chores:app", "CompleteTask", "task_id=1").json["position"] == 2
    assert shell("send", "chores:app", "CompleteTask", "task_id=1").json["position"] == 2
    assert shell("ask", "chores:app", "ListTasks", "done=true").json == [
        {"task_id": 1, "title": "water the plants", "done": True}
    ]


def test_every_command_in_the_written_readme_works(cli: Run, folder: Path) -> None:
    cli("new", "chores")
    lines = re.findall(r"^(twofold .*?)(?:\s+#.*)?$", (folder / "README.md").read_text(), re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+=?'[^']*'|\S+", line)][1:]
        if words[0] != "run":
            ended = cli(*(word.replace("'", "") for word in words))
            assert ended.status == 0, (line, ended.err)


def test_a_folder_may_be_named_and_is_made(cli: Run, folder: Path) -> None:
    made = cli("new", "chores", "--folder", "a/b")
    assert made.status == 0
    assert sorted(path.name for path in (folder / "a" / "b").iterdir()) == ["README.md", "chores.py", "test_chores.py"]
    assert "cd a/b" in made.out


@pytest.mark.parametrize("there", ["chores.py", "test_chores.py"])
def test_nothing_is_overwritten_and_then_nothing_is_written(cli: Run, folder: Path, there: str) -> None:
    (folder / there).write_text("mine")
    made = cli("new", "chores")
    assert (made.status, made.out) == (2, "")
    assert there in made.err
    assert (folder / there).read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == [there]


def test_a_readme_that_is_there_is_left_alone(cli: Run, folder: Path) -> None:
    (folder / "README.md").write_text("mine")
    assert cli("new", "chores").status == 0
    assert (folder / "README.md").read_text() == "mine"
    assert "# chores" in (folder / "chores.md").read_text()


@pytest.mark.parametrize("name", ["Chores", "my-chores", "1st", "class", "json", "twofold", "a/b", "../x", "", "é"])
def test_a_name_that_cannot_be_a_module_or_hides_another_is_refused(cli: Run, folder: Path, name: str) -> None:
    made = cli("new", name)
    assert (made.status, made.out) == (2, "")
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(cli: Run, folder: Path) -> None:
    (folder / "file").write_text("")
    made = cli("new", "chores", "--folder", "file/inside")
    assert made.status == 2
    assert "cannot write to" in made.err
    assert "Traceback" not in made.err
