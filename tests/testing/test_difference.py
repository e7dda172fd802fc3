"""Differences of values: told as deep inside as can be."""

from typing import Any

import msgspec
import pytest

from twofold.testing.difference import Difference, differences


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Line(msgspec.Struct):
    points: list[Point]
    names: dict[str, int] = {}


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        (1, 1, []),
        (1, 2, [("", "1", "2")]),
        (Point(1), Point(1), []),
        (Point(1, 2), Point(1, 3), [("y", "2", "3")]),
        (Line([Point(1)]), Line([Point(2)]), [("points[0].x", "1", "2")]),
        (Line([], {"a": 1}), Line([], {"b": 1}), [("names['a']", "1", "nothing"), ("names['b']", "nothing", "1")]),
        ([1, 2], [1], [("[1]", "2", "nothing")]),
        ((1,), [1], [("", "(1,)", "[1]")]),
        (Point(1), None, [("", "Point(x=1, y=0)", "None")]),
        ({1, 2}, {2, 3}, [("", "{1, 2}", "{2, 3}")]),
    ],
)
def test_values_differ_where_they_differ(expected: Any, found: Any, told: list[tuple[str, str, str]]) -> None:
    assert list(differences(expected, found)) == [Difference(*each) for each in told]
