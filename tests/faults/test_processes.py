"""Several processes append to one history while others follow it: nobody skips, nobody sees twice (F2, H1)."""

from __future__ import annotations

from typing import Any

from tests.faults.places import Place, Places
from tests.faults.processes import workers
from tests.faults.worker import Options


def follow(place: Place, *, writers: int, each: int, readers: int, seed: int = 0) -> list[Any]:
    """Let writers and readers work at once; return what each reader said at the end."""
    total = writers * each
    reading = [("tail", Options(place.url, f"r{n}", total, seed + n)) for n in range(readers)]
    writing = [("append", Options(place.url, f"w{n}", each, seed + 100 + n)) for n in range(writers)]
    with workers(reading) as followers:
        for follower in followers:
            follower.wait_until(lambda said: "ready" in said)
        with workers(writing) as appending:
            for writer in appending:
                writer.finish()
            return [follower.finish()[-1] for follower in followers]


def test_readers_see_every_event_of_four_appending_processes_once_and_in_order(place: Place) -> None:
    for said in follow(place, writers=4, each=2500, readers=2):
        assert said == {"seen": 10_000, "wrong": [], "last": 10_000}


def test_control_readers_skip_where_positions_are_taken_before_the_lock(place: Place) -> None:
    reading, planted = Options(place.url, count=30), "EarlyPositions"
    with workers([("tail", reading)]) as (follower,):
        follower.wait_until(lambda said: "ready" in said)
        with workers([("append", Options(place.url, "held", 10, planted=planted))]) as (holding,):
            holding.wait_until(lambda said: "holding" in said)
            with workers([("append", Options(place.url, "other", 20, planted=planted))]) as (other,):
                other.finish()
                # It ends as soon as it sees that something is wrong.
                assert follower.finish()[-1]["wrong"]
            # All at once: it needs fewer, and then ends.
            holding.write("\n" * 9)
            holding.finish()


def one_crowd(seed: int, places: Places) -> str:
    """Follow sixteen writers; for the long script."""
    for said in follow(places.new(), writers=16, each=1000, readers=3, seed=seed * 1000):
        assert said == {"seen": 16_000, "wrong": [], "last": 16_000}
    return "16,000 events"


def one_following(seed: int, places: Places, *, each: int = 10_000) -> str:
    """Follow four writers; for the long script."""
    for said in follow(places.new(), writers=4, each=each, readers=3, seed=seed * 1000):
        assert said == {"seen": 4 * each, "wrong": [], "last": 4 * each}
    return f"{4 * each} events"
