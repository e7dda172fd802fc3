"""The page about testing: its tests pass under pytest, and what it shows of a failure is what a failure shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from examples.profiles.app import ProfileUpdated, UpdateProfile, UserRegistered, app

from twofold.testing import scenario
from twofold.testing.contracts import ABILITIES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text("utf-8")


def blocks(kinds: str) -> list[str]:
    return re.findall(rf"^```(?:{kinds})\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks("python|py")), "utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-k", "not random or ForLong", "test_page.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 300


def test_a_failure_is_told_as_the_page_shows_it() -> None:
    (shown,) = blocks("text")
    ada = UUID("0191d7e4-5c1f-7c3a-8f2e-3b1f5a6c7d8e")
    with pytest.raises(AssertionError) as failed:
        scenario(app).given(UserRegistered(ada, "Ada")).when(UpdateProfile(ada, "Ada")).then(
            ProfileUpdated(ada, "Ada", "Countess")
        )
    place = re.compile(r"\(\S+:\d+\)")
    assert place.sub("", str(failed.value)).strip() == place.sub("", shown).strip()


def test_the_page_names_every_ability() -> None:
    for ability, meaning in ABILITIES.items():
        assert f"| `{ability}` | {meaning}" in PAGE
