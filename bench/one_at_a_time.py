"""Commands one after another: what a single sender who waits for each receipt gets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.commands import ALL, WRITE, floor_rate, node_rate, prepare, record, said_of
from bench.result import Row, Target, row
from bench.rounds import Run


def measure(run: Run) -> Sequence[Row]:
    """Measure a writing node and a full one against one commit per event."""
    sizes = run.sizes
    work = prepare(sizes, boundaries=sizes.users, commands=sizes.single_commands, in_flight=1)
    template = record(run, work)
    series = run.interleave(
        partial(floor_rate, "floor", work, template, 1),
        partial(node_rate, "write node", work, WRITE),
        partial(node_rate, "full node", work, ALL),
    )
    measured = f"{sizes.single_commands:,} commands over {sizes.users:,} boundaries, each after the receipt before it"
    floor = "the same rows through apsw, one event a commit"
    return [
        row(
            "one at a time, writing node", f"{measured}; roles: write", "/s",
            series["write node"], floor=series["floor"], floor_measured=floor, target=Target(ratio_at_least=0.6),
            remark=said_of(template.settings),
        ),
        row(
            "one at a time, full node", f"{measured}; projecting at the same time", "/s",
            series["full node"], floor=series["floor"], floor_measured=floor, target=Target(ratio_at_least=0.6),
        ),
    ]  # fmt: skip
