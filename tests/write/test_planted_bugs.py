"""The controls: with a bug planted in the write side, the stories must fail. They prove that the other tests can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.faults.stories import live_through
from twofold.history import commit
from twofold.history.boundary import Condition, Selection, marks_of
from twofold.history.record import Recorded
from twofold.history.store import Appended, Decision
from twofold.message import Event
from twofold.write import decide
from twofold.write.cache import Cache, Entry
from twofold.write.changes import Changes
from twofold.write.decide import Decider
from twofold.write.group import GroupCommit, Pending
from twofold.write.handler import Boundary, CommandHandler
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
        Decision(p.sending.submission, Condition(p.selection, 2**60, n), p.proposed, p.rejection)
        for n, p in enumerate(group._flying)
    ]


def _keep_what_did_not_happen(group: GroupCommit, pending: Pending, first: int) -> None:
    for entry, place, state in pending.states:
        group._snapshots.keep(entry.boundary, state, first + place, pending.proposed[place].id)


def _tags_alone(real: Callable[..., bool]) -> Callable[..., bool]:
    return lambda changes, criterion: bool(criterion.tags) and real(changes, criterion)


def _touched_by_one_tag(cache: Cache, type_: str, tags: tuple[str, ...]) -> list[Entry]:
    return [entry for mark in marks_of(type_, tags) for entry in cache._by_mark.get(mark, ())]


def _touched_by_tags_alone(real: Callable[..., list[Entry]]) -> Callable[..., list[Entry]]:
    return lambda *event: [entry for entry in real(*event) if entry.criterion.tags]


def _pending_by_tags_alone(real: Callable[..., Iterator[Event]]) -> Callable[..., Iterator[Event]]:
    return lambda group, criterion: real(group, criterion) if criterion.tags else iter(())


def _first_alone(boundaries: Sequence[Boundary]) -> Selection:
    return Selection(tuple(boundary.criterion for boundary in boundaries[:1]))


def _out_of_order(real: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    return lambda handler, command, models: real(handler, command, models[::-1] if len(models) == 4 else models)


def _answered_at_once(real: Callable[..., None]) -> Callable[..., None]:
    def add(group: GroupCommit, pending: Pending) -> None:
        real(group, pending)
        waiting = sum(len(each.events) for each in group.pending())
        pending.answer(Appended(group.position + 1, group.position + waiting))

    return add


def _rejected_at_once(real: Callable[..., None]) -> Callable[..., None]:
    def add(group: GroupCommit, pending: Pending) -> None:
        real(group, pending)
        if pending.rejection is not None:
            pending.answer(Appended(group.position, group.position))

    return add


def _fail_silently(group: GroupCommit, error: Exception) -> None:
    group._cache.clear()
    failed, group._flying = group._flying, []
    group._sift(Changes(), all_of_them=True)
    for pending in failed:
        pending.answer(None)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _no(*_: Any, **__: Any) -> bool:
    return False


def _yes(*_: Any, **__: Any) -> bool:
    return True


def _steps_of_own_events(real: Callable[..., None]) -> Callable[..., None]:
    return lambda group, reached, foreign: real(group, reached, foreign and [])


def _steps_over_what_was_not_read(real: Callable[..., None]) -> Callable[..., None]:
    return lambda group, reached, foreign: real(group, reached, foreign or [])


def _unchecked_rejections(real: Callable[..., bool]) -> Callable[..., bool]:
    return lambda decision, *rest: decision.rejection is None and real(decision, *rest)


PLANTS: dict[str, tuple[Any, str, Any]] = {
    "a model is folded twice": (Loader, "_load_once", _load_twice),
    "waiting events are not folded at loading": (GroupCommit, "pending", lambda group: iter(())),
    "what came while a model was loaded is not read": (GroupCommit, "is_untouched", _yes),
    "what others appended while a model was loaded is not read": (
        GroupCommit, "_step_to", _steps_of_own_events(GroupCommit._step_to),
    ),
    "what came unread while a model was loaded is taken for nothing": (
        GroupCommit, "_step_to", _steps_over_what_was_not_read(GroupCommit._step_to),
    ),
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
    "a model without tag is not seen to change": (Changes, "_touch", _tags_alone(Changes._touch)),
    "one of two tags is enough to be folded": (Cache, "touched", _touched_by_one_tag),
    "a model without tag is not folded": (Cache, "touched", _touched_by_tags_alone(Cache.touched)),
    "waiting events are folded by tag alone": (
        GroupCommit, "pending_events", _pending_by_tags_alone(GroupCommit.pending_events),
    ),
    "a decision rests on its first model": (decide, "selection_of", _first_alone),
    "the models of a list are out of order": (CommandHandler, "_by_name", _out_of_order(CommandHandler._by_name)),
    "a sender is answered before the commit": (GroupCommit, "add", _answered_at_once(GroupCommit.add)),
    "a rejection is told before the commit": (GroupCommit, "add", _rejected_at_once(GroupCommit.add)),
    "what failed is decided again, whatever became of it": (GroupCommit, "_fail", _fail_silently),
    "rejections are not checked": (commit, "_rests_on_nothing", _unchecked_rejections(commit._rests_on_nothing)),
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
def test_the_stories_find_a_planted_bug(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, bug = PLANTS[plant]
    monkeypatch.setattr(where, name, bug)
    for seed in range(5000):
        try:
            live_through(seed)
        except AssertionError:
            return
    pytest.fail("5,000 stories did not find it")


def test_the_same_stories_pass_without_a_planted_bug() -> None:
    for seed in range(150):
        live_through(seed)
