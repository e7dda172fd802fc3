"""Four processes send to one boundary at once: all get on, and none gets less than half of its share."""

from __future__ import annotations

from collections import Counter

from tests.faults.places import Places
from tests.faults.processes import workers
from tests.faults.worker import Options

NAMES = "abcd"
COUNT = 6_000


def one_storm(seed: int, places: Places) -> str:
    """Let them send until the history has so many events; whoever gives up on a command ends with an error."""
    place = places.new()
    with workers([("storm", Options(place.url, name=name, count=COUNT, width=25)) for name in NAMES]) as running:
        for worker in running:
            worker.wait_until(lambda said: "ready" in said)
        for worker in running:
            worker.write("go")
        for worker in running:
            worker.finish()
    stored = place.stored()
    stored.check()
    # Between these all of them are at it, and none has ended.
    events = stored.records[COUNT // 4 : COUNT]
    got = Counter(recorded.principal for recorded in events)
    least = min(got[name] for name in NAMES) * len(NAMES) / len(events)
    assert least >= 0.5, got
    return f"the least got {least:.0%} of its share"


def test_of_four_processes_on_one_boundary_none_gets_less_than_half_of_its_share(places: Places) -> None:
    one_storm(0, places)
