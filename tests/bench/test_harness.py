import re
from pathlib import Path

import msgspec
import pytest
from bench.measurements import MEASUREMENTS
from bench.options import parser
from bench.peers import environment
from bench.report import BEGIN, END, Results, pasted
from bench.result import Row, Target, check, row
from bench.rounds import Run

from bench import __main__ as harness

ROOT = Path(__file__).parents[2]
WITH_PEERS = {"in-flight", "http", "lines", "postgres-commands", "postgres-projection"}
DOCUMENT = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")


def test_every_measurement_runs_with_right_results_and_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    work, json, markdown = tmp_path / "work", tmp_path / "results.json", tmp_path / "results.md"
    options = ["--tiny", "--folder", work, "--json", json, "--markdown", markdown, "--docs", document]
    pictures = tmp_path / "charts"
    options += ["--charts", pictures, "--csv", tmp_path / "results.csv", "--svg", tmp_path / "results.svg"]
    alone = sorted(MEASUREMENTS.keys() - WITH_PEERS)

    assert harness.main([*map(str, options), *(f"--only={name}" for name in alone)]) == 0

    results = msgspec.json.decode(json.read_bytes(), type=Results)
    printed = capsys.readouterr()
    assert {line for line in printed.err.splitlines() if not line.startswith((" ", "this"))} == {*alone}
    assert len(results.rows) == len({row.name for row in results.rows}) >= 20
    for found in results.rows:
        assert found.values
        assert found.name in printed.out
        assert f"| {found.name} |" in markdown.read_text()
    assert "synchronous = 2 (FULL)" in markdown.read_text()
    assert document.read_text() == f"before\n{BEGIN}\n\n{markdown.read_text()}\n{END}\nafter\n"
    assert {chart.name for chart in results.charts} == {file.stem for file in pictures.iterdir()}
    assert {f"(charts/{chart.name}.svg)" for chart in results.charts if chart.name in markdown.read_text()}
    assert results.seconds.keys() == {*alone}
    assert list(work.iterdir()) == []


@pytest.mark.skipif(not environment.HOME.exists(), reason="no peers are installed; `make bench` installs them")
@pytest.mark.parametrize("name", sorted(WITH_PEERS))
def test_measurements_beside_peers_run_with_right_results(name: str, tmp_path: Path) -> None:
    assert harness.main(["--tiny", "--only", name, "--folder", str(tmp_path)]) == 0


def test_results_name_no_path_and_no_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json = tmp_path / "results.json"
    arguments = ["--tiny", "--only", "start-up", "--folder", str(tmp_path), "--json", str(json)]
    assert harness.main(arguments) == 0
    written = json.read_text() + capsys.readouterr().out
    assert str(tmp_path) not in written
    assert str(ROOT) not in written


def test_a_partial_run_leaves_the_recorded_numbers_alone(tmp_path: Path) -> None:
    kept = [ROOT / "bench" / "results.md", ROOT / "bench" / "results.json", ROOT / "docs" / "benchmarks.md"]
    kept += [ROOT / "bench" / "results.csv", ROOT / "docs" / "benchmarks.svg"]
    before = [file.read_bytes() if file.exists() else None for file in kept]
    assert harness.main(["--tiny", "--only", "start-up", "--folder", str(tmp_path)]) == 0
    assert [file.read_bytes() if file.exists() else None for file in kept] == before


def test_the_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    found = row("name", "what", "/s", [50, 10, 60], floor=[100, 20, 50])
    assert (found.median, found.low, found.high, found.floor_median) == (50, 10, 60, 50)
    assert found.ratio == 0.5


@pytest.mark.parametrize(
    ("target", "median", "ratio", "met"),
    [
        (Target(at_least=10), 10, None, True),
        (Target(at_least=10), 9, None, False),
        (Target(at_most=5), 5, None, True),
        (Target(at_most=5), 6, None, False),
        (Target(at_least=10, ratio_at_least=0.25), 20, 0.25, True),
        (Target(at_least=10, ratio_at_least=0.25), 20, 0.24, False),
        (Target(at_least=10, ratio_at_least=0.25), 9, 0.9, False),
        (Target(ratio_at_least=0.6), 9, None, False),
    ],
)
def test_a_target_is_met_when_all_of_its_parts_are(
    target: Target, median: float, ratio: float | None, met: bool
) -> None:
    assert target.holds(median, ratio) is met


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_document_without_both_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected the markers"):
        pasted(text, "results")


def test_the_page_names_every_measurement_and_every_option() -> None:
    for name in MEASUREMENTS:
        assert f"`{name}`" in DOCUMENT
        assert f"**{name}**" in DOCUMENT
    options = {option for option in re.findall(r"--[a-z-]+", parser().format_help()) if option != "--help"}
    assert {option for option in options if f"| `{option}" not in DOCUMENT} == set()
    assert DOCUMENT.index(BEGIN) < DOCUMENT.index(END)


def test_a_wrong_result_fails_the_run_and_is_not_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(run: Run) -> list[Row]:
        check(False, "an event is missing")
        return []

    monkeypatch.setitem(MEASUREMENTS, "start-up", wrong)
    json = tmp_path / "results.json"
    options = ["--tiny", "--only", "start-up", "--folder", str(tmp_path / "work"), "--json", str(json)]
    assert harness.main(options) == 1
    assert "wrong result: an event is missing" in capsys.readouterr().err
    assert not json.exists()
    assert list((tmp_path / "work").iterdir()) == []
