"""How fast a projection is lately."""

from __future__ import annotations

import pytest

from twofold.read.rate import LATELY, Rate


def test_a_steady_rate_is_told_as_it_is_whatever_the_batches() -> None:
    rate, now, found = Rate(0.0), 0.0, 0.0
    for size in [10, 500, 90] * 100:
        now += size / 200
        found = rate.after(size, now)
    assert found == pytest.approx(200, rel=0.01)


def test_what_is_long_ago_counts_no_more() -> None:
    rate = Rate(0.0)
    rate.after(1_000_000, 1.0)
    assert rate.after(0, 1.0 + 20 * LATELY) < 1


def test_batches_at_one_moment_divide_by_nothing() -> None:
    rate = Rate(5.0)
    rate.after(10, 5.0)
    assert rate.after(10, 5.0) >= 0
