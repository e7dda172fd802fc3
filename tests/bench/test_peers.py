"""What a peer did is checked as ours is: events missing, or commits that are not durable, fail the run."""

from itertools import pairwise
from pathlib import Path

import pytest
from bench.grown import chosen, users_at
from bench.lines import lines_of
from bench.peers import environment
from bench.peers.rates import check_durable, check_stored
from bench.result import WrongResult
from bench.sizes import TINY
from bench.stages import prepared

from bench import lines


def test_a_peer_that_lost_an_event_is_noticed() -> None:
    check_stored("a peer", [60, 6], [60, 6])
    with pytest.raises(WrongResult, match=r"a peer stored \[60, 5\] events, expected \[60, 6\]"):
        check_stored("a peer", [60, 6], [60, 5])


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        ("sqlite", {"synchronous": "1", "journal_mode": "wal"}),
        ("sqlite", {}),
        ("postgres", {"fsync": "off", "synchronous_commit": "on"}),
        ("postgres", {"fsync": "on", "synchronous_commit": "local"}),
    ],
)
def test_a_peer_that_is_less_durable_is_noticed(engine: str, found: dict[str, str]) -> None:
    with pytest.raises(WrongResult, match="expected"):
        check_durable(engine, found)


@pytest.mark.skipif(not environment.is_installed(), reason="no peers are installed; `make bench` installs them")
def test_a_peer_s_program_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(WrongResult, match="eventsourcing_work ended with status"):
        environment.run("eventsourcing_work", "commands", "sqlite", tmp_path / "no" / "such.db", 0, "[[1, 1, 1]]")


def test_an_application_that_answers_wrong_is_not_counted() -> None:
    with pytest.raises(WrongResult, match="answered"):
        lines._same("a peer", {"name": "Ada Lovelace", "bio": "the first programmer", "updates": 2})


def test_lines_are_those_that_hold_code() -> None:
    told = '"""What it is.\n\nMore."""\n\n# why\nX = """a\nb"""\n\n\n'
    assert lines_of(told + 'def f(\n    a: int,\n) -> int:\n    """Say."""\n    return a  # it\n') == 6


def test_every_stage_of_a_work_ends_where_the_next_begins() -> None:
    work = prepared(TINY)
    ends = [end for end, _ in work.ends]
    assert ends[0] == len(work.seed) == TINY.users + len(TINY.levels)
    assert ends[-1] == len(work.all)
    assert [until - before for before, until in pairwise(ends)] == work.own_counts


def test_every_hot_stage_has_a_user_of_its_own() -> None:
    hot = [stage for stage in prepared(TINY).stages if stage.users == 1]
    users = [{command.user_id for command, _ in stage.sent} for stage in hot]
    assert [len(each) for each in users] == [1] * len(TINY.levels)
    assert len(set.union(*users)) == len(TINY.levels)


@pytest.mark.parametrize(("length", "count"), [(300, 300), (1_000, 1_000), (30_000, 3_000)])
def test_the_users_of_a_length_are_the_same_in_every_process(length: int, count: int) -> None:
    ids = users_at(length)
    assert ids == users_at(length)
    assert len(set(ids)) == count
    assert {id.version for id in ids} == {7}
    assert len(chosen(ids, 100)) == 100
    assert len(chosen(ids, count)) == count
