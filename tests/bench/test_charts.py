"""Curves as pictures, as tables and as CSV."""

from xml.etree import ElementTree

import pytest
from bench.chart import Chart, chart
from bench.report import Results, comma_separated, markdown

from bench import curves

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def made() -> Chart:
    return chart(
        "growth-x",
        "Events & more, a second",
        across="events in the history",
        unit="µs",
        lines={"one": {10: [1.0, 2.0, 3.0], 1_000: [40.0]}, "two": {10: [7.0]}, "none": {10: []}},
        remark="Said beside it.",
    )


def texts_of(picture: str) -> list[str | None]:
    return [element.text for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_a_picture_names_both_axes_their_units_and_every_line(made: Chart) -> None:
    shown = texts_of(curves.svg(made))
    assert {"Events & more, a second", "events in the history", "µs", "one", "two", "10", "1k", "100"} <= {*shown}


def test_a_line_goes_through_the_medians_of_its_rounds(made: Chart) -> None:
    picture = ElementTree.fromstring(curves.svg(made))
    circles = [float(circle.attrib["cy"]) for circle in picture.iter(f"{SVG}circle")]
    assert len(circles) == 3
    assert circles[0] > circles[2] > circles[1], "2 lies below 7, and 7 below 40"
    spread = [line for line in picture.iter(f"{SVG}line") if line.attrib["class"] == "spread"]
    assert float(spread[0].attrib["y1"]) > circles[0] > float(spread[0].attrib["y2"])


def test_a_line_without_values_is_left_out(made: Chart) -> None:
    assert made.lines.keys() == {"one", "two"}


@pytest.mark.parametrize("value", [0.002, 1.0, 5e7])
def test_a_chart_of_one_point_can_be_drawn(value: float) -> None:
    single = chart("x", "x", across="x", unit="y", lines={"one": {64: [value]}})
    assert "one" in texts_of(curves.svg(single))


def test_a_report_shows_a_chart_as_a_table_and_as_a_picture(made: Chart) -> None:
    results = Results("tiny", 1, {}, [], [made])
    shown = markdown(results, pictures="charts")
    assert "![Events & more, a second](charts/growth-x.svg)" in shown
    assert "| µs; events in the history: | 10 | 1,000 |" in shown
    assert "| one | 2.00 (1.00 to 3.00) | 40.0 |" in shown
    assert "| two | 7.00 |  |" in shown
    assert "Said beside it." in shown


def test_every_round_of_a_chart_is_in_the_csv(made: Chart) -> None:
    lines = comma_separated([], [made]).splitlines()
    assert lines[1:] == [
        "growth-x,one,10,µs,1,1.0,,",
        "growth-x,one,10,µs,2,2.0,,",
        "growth-x,one,10,µs,3,3.0,,",
        "growth-x,one,1000,µs,1,40.0,,",
        "growth-x,two,10,µs,1,7.0,,",
    ]
