"""Type checkers understand applications: right ones are clean, and each mistake is an error at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.typing.checkers import EXAMPLE, FILES, SAMPLES, Found, expected, mypy, pyright


@pytest.fixture(scope="module", params=["mypy", "pyright"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    check = mypy if request.param == "mypy" else pyright
    return check(FILES, tmp_path_factory.mktemp("checker"))


def test_the_readmes_example_is_clean(found: Found) -> None:
    assert found.get(EXAMPLE.resolve(), {}) == {}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_errors_are_found_where_they_belong_and_nowhere_else(found: Found, sample: Path) -> None:
    wanted, there = expected(sample), found.get(sample.resolve(), {})
    surplus = {line: text for line, text in there.items() if line not in wanted}
    assert surplus == {}
    assert wanted - there.keys() == set()


def test_each_sample_shows_some_error() -> None:
    assert len(SAMPLES) == 6
    assert all(expected(sample) for sample in SAMPLES)
