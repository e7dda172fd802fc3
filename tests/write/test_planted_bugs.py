"""The controls: with a bug planted in the write side, the stories must fail. They prove that the other tests can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.faults.stories import live_through
from twofold.history import commit
from twofold.history.boundary import Condition
from twofold.history.record import Recorded
from twofold.history.store import Decision
from twofold.write.cache import Cache, Entry
from twofold.write.decide import Decider
from twofold.write.group import Changes, GroupCommit, Pending
from twofold.write.handler import Boundary
from twofold.write.load import Loader


async def _load_twice(loader: Loader, boundary: Boundary) -> None:
    under_way = loader._loading.get(boundary)
    if under_way is not None:
        await under_way.wait()
        return
    done = loader._loading[boundary] = asyncio.Event()
    try:
        await loader._catch_up(loader._cache.get(boundary) or Entry(boundary))
    finally:
        del loader._loading[boundary]
        done.set()


def _fold_behind_own(group: GroupCommit, foreign: Sequence[Recorded], changes: Changes) -> None:
    for recorded in foreign:
        changes.add(recorded.type, recorded.tags)
        for entry in group._cache.touched(recorded.type, recorded.tags):
            if not entry.behind:
                entry.fold(group._codec.decode(recorded), recorded.metadata)


def _forget_unseen(group: GroupCommit, foreign: Sequence[Recorded], changes: Changes) -> None:
    for recorded in foreign:
        for entry in group._cache.touched(recorded.type, recorded.tags):
            group._cache.drop(entry)


def _undo_nothing(group: GroupCommit, pending: Pending, changes: Changes) -> None:
    for event in pending.proposed:
        changes.add(event.type, event.tags)


def _undo_silently(group: GroupCommit, pending: Pending, changes: Changes) -> None:
    group._forget(pending.proposed)


def _condition_on_all(group: GroupCommit) -> list[Decision]:
    return [
        Decision(p.submission, Condition(p.selection, 2**60, n), p.proposed, p.rejection)
        for n, p in enumerate(group._flying)
    ]


def _keep_what_did_not_happen(group: GroupCommit, pending: Pending, first: int) -> None:
    for entry, place, state in pending.states:
        group._snapshots.keep(entry.boundary, state, first + place, pending.proposed[place].id)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _no(*_: Any, **__: Any) -> bool:
    return False


def _unchecked_rejections(real: Callable[..., bool]) -> Callable[..., bool]:
    return lambda decision, *rest: decision.rejection is None and real(decision, *rest)


PLANTS: dict[str, tuple[Any, str, Any]] = {
    "a model is folded twice": (Loader, "_load_once", _load_twice),
    "waiting events are not folded at loading": (GroupCommit, "pending", lambda group: iter(())),
    "a metadata model does not wait for positions": (Loader, "_is_pending", _no),
    "another process's event is folded behind one's own": (GroupCommit, "_take_in", _fold_behind_own),
    "another process's event is not noted": (GroupCommit, "_take_in", _forget_unseen),
    "a snapshot rests on what did not happen": (GroupCommit, "_keep", _keep_what_did_not_happen),
    "what rested on a change is kept": (GroupCommit, "_sift", _nothing),
    "an undone decision stays in the models": (GroupCommit, "_undo", _undo_nothing),
    "an undone decision is not noted": (GroupCommit, "_undo", _undo_silently),
    "after a failure the models are kept": (Cache, "clear", _nothing),
    "an async handler's models may move": (Decider, "_have_moved", _no),
    "the append checks no condition": (GroupCommit, "_conditioned", _condition_on_all),
    "rejections are not checked": (commit, "_rests_on_nothing", _unchecked_rejections(commit._rests_on_nothing)),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_the_stories_find_a_planted_bug(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, bug = PLANTS[plant]
    monkeypatch.setattr(where, name, bug)
    for seed in range(1500):
        try:
            live_through(seed)
        except AssertionError:
            return
    pytest.fail("1,500 stories did not find it")


def test_the_same_stories_pass_without_a_planted_bug() -> None:
    for seed in range(150):
        live_through(seed)
