"""Stories: waves of commands sent to several nodes over one history that goes wrong, checked at every quiet moment."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from unittest import mock
from uuid import UUID

import msgspec

from tests.faults.bank import (
    Announce,
    Audit,
    Collect,
    Deposit,
    Glance,
    Inspect,
    Link,
    Move,
    Ponder,
    Survey,
    Visit,
    Withdraw,
)
from tests.faults.nodes import check_cache, check_history, decider_of, everything_in, node_over, quiet
from tests.faults.rough_history import FAULTS, Fault, RoughHistory
from tests.faults.virtual import run_virtually
from twofold import Command, Receipt, Rejected
from twofold.engines.memory import MemoryHistory
from twofold.errors import CommandIdReused, Contended, StoreError
from twofold.history.record import Recorded
from twofold.history.store import History
from twofold.node import Node
from twofold.write import cache, snapshots

ACCOUNTS = ["a", "b", "c"]
BRANCHES = ["north", "south"]
IDS = [UUID(int=number) for number in range(1, 4)]


class Sent(msgspec.Struct, frozen=True):
    """One command of a wave: by which node, under which id (None: a new one), and when its sender is cancelled."""

    command: Command
    node: int = 0
    id: UUID | None = None
    cancelled_after: int | None = None


class Story(msgspec.Struct, frozen=True):
    """Waves of commands that are sent at once, and what befalls the appends and the reads of each node."""

    waves: tuple[tuple[Sent, ...], ...]
    plans: tuple[tuple[Fault, ...], ...]
    unreadable: tuple[tuple[int, ...], ...]
    turns: int
    seed: int
    kept: int
    costly: int


def story_of(seed: int, nodes: int = 2) -> Story:
    """Return one story; the same for the same seed."""
    chance = random.Random(seed)

    def command() -> Command:
        account, other, amount = (*chance.choices(ACCOUNTS, k=2), chance.randint(1, 3))
        return chance.choice(
            (
                Deposit(account, amount), Withdraw(account, amount), Move(account, other, amount), Link(account, other),
                Inspect(account), Survey(account), Ponder(account, chance.randrange(4)), Glance(account),
                Announce(account), Visit(account, chance.choice(BRANCHES)), Audit(account),
                Collect(chance.choices(ACCOUNTS, k=chance.randrange(4))),
            )
        )  # fmt: skip

    def sent() -> Sent:
        command_id = chance.choice(IDS) if chance.random() < 0.2 else None
        cancelled_after = chance.randrange(13) if chance.random() < 0.2 else None
        return Sent(command(), chance.randrange(nodes), command_id, cancelled_after)

    return Story(
        tuple(tuple(sent() for _ in range(chance.randint(1, 9))) for _ in range(chance.randint(1, 5))),
        tuple(tuple(chance.choices(FAULTS, k=chance.randrange(7))) for _ in range(nodes)),
        tuple(tuple(chance.choices(range(1, 12), k=chance.randrange(3))) for _ in range(nodes)),
        chance.randrange(4),
        seed,
        chance.choice([2, 3, 10_000]),
        chance.choice([1, 3, 200]),
    )


async def send(node: Node, sent: Sent) -> Receipt:
    task = asyncio.ensure_future(node.send(sent.command, command_id=sent.id))
    if sent.cancelled_after is not None:
        for _ in range(sent.cancelled_after):
            await asyncio.sleep(0)
        task.cancel()
    return await task


async def tell(story: Story, histories: Sequence[History]) -> None:
    """Live through a story with snapshots of its models taken early or late."""
    with mock.patch.object(cache, "_LONG", story.costly), mock.patch.object(snapshots, "_EVERY", story.costly):
        await _tell(story, histories)


async def _tell(story: Story, histories: Sequence[History]) -> None:
    """Live through a story; check the caches at every quiet moment and everything at the end.

    Args:
        story: what happens.
        histories: the same history as each node opened it, and as a rival did, which is first now and then.
    """
    random.seed(story.seed)
    *own, history = histories
    rough = [
        RoughHistory(each, plan, turns=story.turns, seed=story.seed, unreadable=unreadable)
        for each, plan, unreadable in zip(own, story.plans, story.unreadable, strict=True)
    ]
    rival = node_over(RoughHistory(history))
    told: Counter[str] = Counter()
    async with rival:
        for each in rough:
            each.rival = lambda: _be_first(rival)
        nodes = [node_over(each) for each in rough]
        for node in nodes:
            await node.__aenter__()
            decider_of(node)._cache.kept.count = story.kept
        try:
            for wave in story.waves:
                answers = await asyncio.gather(*(send(nodes[sent.node], sent) for sent in wave), return_exceptions=True)
                for node in nodes:
                    await quiet(node)
                    await check_cache(node, history)
                for sent, answer in zip(wave, answers, strict=True):
                    await check_answer(sent, answer, history)
                    if isinstance(answer, Rejected):
                        told[answer.reason] += 1
        finally:
            for node in nodes:
                await node.close()
    rejections = [stored for each in rough for stored in each.rejections]
    assert told <= Counter(reason for reason, _ in rejections), "a rejection was told that is not stored"
    await check_history(history, rejections)
    await check_ids(history)


async def _be_first(rival: Node) -> None:
    await rival.send(Deposit("a", 2))


async def check_answer(sent: Sent, answer: Receipt | BaseException, history: History) -> None:
    match answer:
        case Receipt():
            stored = await history.find(("", "", answer.command_id))
            assert stored == answer.position, f"{answer} was given for what is stored at {stored}"
        case CommandIdReused():
            assert sent.id is not None
        case Rejected() | StoreError() | RuntimeError() | Contended() | asyncio.CancelledError():
            pass
        case _:
            raise AssertionError(f"{sent} was answered with {answer!r}") from answer


async def check_ids(history: History) -> None:
    """Check that the events of one command id are adjacent, and come from one decision."""
    events: dict[UUID, list[Recorded]] = {}
    for recorded in await everything_in(history):
        events.setdefault(recorded.metadata.command_id, []).append(recorded)
    for command_id, found in events.items():
        first = found[0].position
        assert [each.position for each in found] == list(range(first, first + len(found))), f"{command_id}: {found}"
        assert len(found) == 1 or [each.type for each in found] == ["Withdrawn", "Deposited"], f"{command_id} twice"


def live_through(seed: int) -> str:
    """Live through one story on a virtual clock; return what to tell about it."""
    story = story_of(seed)
    run_virtually(tell(story, [MemoryHistory()] * 3))
    return f"{sum(map(len, story.waves))} commands in {len(story.waves)} waves"
