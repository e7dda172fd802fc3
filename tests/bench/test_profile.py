import time
from pathlib import Path

import pytest
from bench.options import parser
from bench.profile import WORKS, Shares, watched

from bench import __main__ as harness
from twofold.read.segment import segment_of


@pytest.mark.parametrize("work", ["commands", "catch-up", "ask", "http-queries", "postgres-catch-up"])
def test_a_profile_is_told_in_tables_without_a_path_of_this_machine(
    work: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert harness.main(["--tiny", "--profile", work, "--folder", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"**{work}**: ")
    assert "µs of CPU each" in told
    assert "| module | share of the loop's time |" in told
    assert str(Path(harness.__file__).parents[1]) not in told


def test_a_profile_tells_the_module_and_the_function_that_the_time_goes_to() -> None:
    shares = Shares("segments")
    with watched(shares):
        # A tiny work may be over between two samples; in this time there are some hundred.
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            for number in range(100):
                segment_of((f"counter-{number}",), 4)
    assert "twofold/read/segment.py" in shares.modules, shares.text
    assert "twofold/read/segment.py: segment_of" in shares.functions
    assert shares.loop_cpu >= 0.2


def test_every_work_can_be_chosen() -> None:
    for work in WORKS:
        assert parser().parse_args(["--profile", work]).profile == work
