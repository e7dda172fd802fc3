"""docs/example-permits.md: its commands run, and it names every code, read model, query, setting and module."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from examples.permits.app import app
from examples.permits.sample import sample_rows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "example-permits.md").read_text()
CODE = "\n".join(path.read_text() for path in (ROOT / "examples" / "permits").glob("*.py"))


def named(heading: str, until: str = "\n## ") -> set[str]:
    """Return what stands in backquotes in the tables below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split(until)[0]
    rows = [row for row in section.splitlines() if row.startswith("| `")]
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_its_commands_run(tmp_path: Path) -> None:
    rows = list(sample_rows(10))
    log = tmp_path / "log.csv"
    log.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    programs = {"python": [sys.executable], "twofold": [sys.executable, "-m", "twofold.cli"]}
    [block] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)

    for line in block.splitlines():
        program, *arguments = shlex.split(line.replace("../shared/data/receipt.csv", str(log)))
        done = subprocess.run(
            [*programs[program], *arguments],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout, line


def test_it_names_every_rejection_code_and_no_other() -> None:
    assert named("What is decided") == set(re.findall(r'Rejected\("(\w+)"', CODE))


def test_it_names_every_read_model_and_query() -> None:
    names = {model.__name__ for model in app.tables} | {query.__name__ for query in app.queries}

    assert names <= named("What can be told") <= names | {"keys"}


def test_it_names_every_setting_of_the_demo_and_no_other() -> None:
    assert named("Try it") - {"dev", "server", "cli"} == set(re.findall(r"DEMO_[A-Z]+", CODE))


def test_it_names_every_module() -> None:
    modules = {path.name for path in (ROOT / "examples" / "permits").glob("[!_]*.py")}

    assert modules == set(re.findall(r"`(\w+\.py)`", PAGE.split("\n## ")[0]))
