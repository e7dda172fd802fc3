"""Work in stages: the same commands with more and more in flight, over many boundaries and over one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from bench.chart import Chart, chart
from bench.rounds import Readings, Series
from bench.sizes import Sizes
from bench.workload import Sent, registrations, updates, users

SPREAD, HOT = "spread", "hot"


class Stage(msgspec.Struct, frozen=True):
    """So many in flight, over many users or one; `sent` are Twofold's commands, `count` what a slower peer does."""

    in_flight: int
    over: str
    sent: list[Sent]
    users: int
    count: int

    def named(self, contender: str) -> str:
        """Return the name of a contender's reading in this stage."""
        return f"{contender}, {self.in_flight} {self.over}"


class Staged(msgspec.Struct, frozen=True):
    """Users registered beforehand, then the stages, one after another on one history."""

    seed: list[Sent]
    stages: list[Stage]

    @property
    def all(self) -> list[Sent]:
        """Every command, in the order of the stages."""
        return [*self.seed, *(sent for stage in self.stages for sent in stage.sent)]

    @property
    def ends(self) -> list[tuple[int, int]]:
        """The last position of the seed and of each stage, each with how many commands go to one transaction."""
        found = [(len(self.seed), 1_000)]
        for stage in self.stages:
            found.append((found[-1][0] + len(stage.sent), stage.in_flight))
        return found

    def rates(self, contender: str, seconds: Sequence[float], counts: Iterable[int]) -> Readings:
        """Return a contender's commands a second by the names of its stages."""
        each = zip(self.stages, seconds, counts, strict=True)
        return {stage.named(contender): count / took for stage, took, count in each}

    @property
    def own_counts(self) -> list[int]:
        """How many commands Twofold, and its floor, do in each stage."""
        return [len(stage.sent) for stage in self.stages]

    @property
    def peer_counts(self) -> list[int]:
        """How many commands a peer does in each stage."""
        return [stage.count for stage in self.stages]

    @property
    def peer_levels(self) -> list[list[int]]:
        """The stages as the peers' programs take them."""
        return [[stage.in_flight, stage.users, stage.count] for stage in self.stages]


def prepared(sizes: Sizes) -> Staged:
    """Make the commands of every stage; the hot ones each have a user of their own, so none inherits a history."""
    many = users(sizes.users)
    hot = users(len(sizes.levels))
    stages: list[Stage] = []
    for over in (SPREAD, HOT):
        for number, in_flight in enumerate(sizes.levels):
            ids = many if over == SPREAD else [hot[number]]
            # Twofold does a few dozen transactions more than fit into a blink, whatever their size.
            own = max(sizes.level_commands // 8, min(sizes.level_commands, sizes.level_commands * in_flight // 64))
            peer = sizes.peer_commands if over == SPREAD else sizes.peer_commands // 10
            sent = list(updates(ids, own))
            stages.append(Stage(in_flight, over, sent, len(ids), peer))
    return Staged(list(registrations([*many, *hot])), stages)


def charts_of(
    name: str, engine: str, work: Staged, series: Series, labels: Mapping[str, str], remark: str
) -> list[Chart]:
    """Return the curves over many boundaries and over one, a line for each contender of `labels`."""
    many = max(stage.users for stage in work.stages)
    titles = {SPREAD: f"over {many:,} boundaries", HOT: "all on one boundary"}
    return [
        chart(
            f"commands-{name}-{over}",
            f"Commands a second on {engine}, {title}",
            across="commands in flight",
            unit="commands a second",
            lines={
                label: {stage.in_flight: series[stage.named(key)] for stage in work.stages if stage.over == over}
                for key, label in labels.items()
            },
            remark=remark,
        )
        for over, title in titles.items()
    ]
