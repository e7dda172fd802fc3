from pathlib import Path

import pytest
from bench.options import parser
from bench.profile import WORKS

from bench import __main__ as harness


@pytest.mark.parametrize("work", ["commands", "catch-up", "ask", "http-queries", "postgres-catch-up"])
def test_a_profile_tells_the_modules_that_the_time_goes_to(
    work: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert harness.main(["--tiny", "--profile", work, "--folder", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"**{work}**: ")
    assert "µs of CPU each" in told
    assert "| module | share of the loop's time |" in told
    assert "| twofold/" in told
    assert str(Path(harness.__file__).parents[1]) not in told


def test_every_work_can_be_chosen() -> None:
    for work in WORKS:
        assert parser().parse_args(["--profile", work]).profile == work
