"""Appends whose connection goes wrong at one message, and what must be true whatever their senders were told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, TypeAlias
from uuid import uuid4

import msgspec

from tests.faults.clock import Clock
from tests.faults.messages import Message
from tests.faults.opening import open_history
from tests.faults.places import Places
from tests.faults.proxy import ACTS, Act, Fault, Proxy
from tests.faults.stored import Lost
from twofold.clock import new_id
from twofold.engines.postgres.address import read_address
from twofold.engines.postgres.history import PostgresHistory
from twofold.errors import OutcomeUnknown, StoreBusy, StoreFailed, StoreUnavailable
from twofold.history.boundary import Condition, Selection
from twofold.history.record import Proposed, Submission
from twofold.history.store import Appended, Decision, Duplicate, History, Outcome

DEADLINE = 0.3
# Where the deadline is not waited for, or passes on a clock that is put forward, a slow machine must not reach it.
UNREACHED = 20.0
PATIENCE = 3 * UNREACHED
_SOMEBODY_WAITS = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""

Told: TypeAlias = Outcome | OutcomeUnknown | StoreBusy | StoreFailed | StoreUnavailable


class Case(msgspec.Struct, frozen=True):
    """What befalls which message of an append.

    Args:
        act: see `Fault`.
        number: which message, from 1.
        earlier: how many appends the connection has carried before; the first one prepares the statement.
        seconds: of a delay.
        pooled: True to append in a transaction of several statements, as behind a pooler.
        deadline: of each use of the database.
    """

    act: Act
    number: int
    earlier: int = 0
    seconds: float = 0.02
    pooled: bool = False
    deadline: float = DEADLINE


def of_append(message: Message) -> bool:
    """Tell whether a message belongs to an append, or to the end of its transaction."""
    return "history.append" in message.statement or message.statement == "COMMIT"


def made() -> Decision:
    """Return a decision of one event, by a command of its own."""
    event = Proposed(new_id(), "Happened", 1, ("cut:1",), b"{}")
    return Decision(Submission(uuid4(), "Cut", b"{}"), Condition(Selection()), (event,))


async def told(history: History, decision: Decision) -> Told:
    """Append, and return what the sender is told; it is told something in time."""
    async with asyncio.timeout(PATIENCE):
        try:
            return (await history.append([decision]))[0]
        except (OutcomeUnknown, StoreBusy, StoreFailed, StoreUnavailable) as error:
            return error


async def hasty(url: str, kind: type[PostgresHistory] = PostgresHistory, deadline: float = DEADLINE) -> PostgresHistory:
    """Open a history whose every use of the database has a short deadline; it tells nobody of its appends."""
    async with asyncio.timeout(PATIENCE):
        while True:
            history = kind(read_address(f"{url}?deadline={deadline}&notify=off"))
            try:
                await history.open()
            except (StoreBusy, StoreFailed, StoreUnavailable):
                # On a slow machine it takes longer now and then.
                await history.close()
            else:
                return history


async def live_through(direct: PostgresHistory, case: Case, clock: Clock | None = None) -> Told | None:
    """Append while the connection goes wrong, again under the same id afterwards, and check what is stored.

    Args:
        direct: the history, by connections that do not go wrong.
        case: what goes wrong.
        clock: is put forward to the deadline once it has gone wrong; without one the deadline is waited for.

    Returns:
        What the sender was told, or None where the append has fewer messages.

    Raises:
        Lost: somebody was told what is not so.
    """
    async with Proxy(direct._server.address.url) as proxy:
        history = await hasty(proxy.url, deadline=case.deadline)
        history._server._session.pooled = case.pooled
        try:
            for _ in range(case.earlier):
                await until_appended(history)
            decision = made()
            fault = proxy.fault = Fault(case.act, case.number, of_append, case.seconds)
            answering = asyncio.create_task(told(history, decision))
            if clock is not None and await has_come(fault, answering):
                await _give_up(answering, case, clock, direct)
                if isinstance(await answering, StoreFailed):
                    await proxy.left()
                clock.forward(case.seconds)
            answer = await answering
            proxy.mend()
            await proxy.quiet()
            await check(direct, decision, answer)
            # The same history goes on, without being opened again.
            await until_appended(history)
        finally:
            await history.close()
    return answer if fault.has_struck else None


async def has_come(fault: Fault, appending: asyncio.Future[Any]) -> bool:
    """Return True when a fault has come; False where an append ends without it."""
    coming = asyncio.create_task(fault.came.wait())
    await asyncio.wait([appending, coming], return_when=asyncio.FIRST_COMPLETED)
    coming.cancel()
    return fault.has_struck


async def _give_up(answering: asyncio.Task[Told], case: Case, clock: Clock, direct: PostgresHistory) -> None:
    """Put the clock forward to an append's deadline, and to that of asking what became of it where nobody answers."""
    clock.forward(case.deadline)
    while not answering.done() and case.act != "black_hole" and not await somebody_waits(direct):
        await asyncio.sleep(0.001)
    while not answering.done():
        clock.forward(case.deadline / 100)
        await asyncio.sleep(0.001)


async def somebody_waits(direct: PostgresHistory) -> bool:
    """Tell whether somebody waits for a lock in the database, such as that of an append that was cut off half way."""
    return bool((await direct._server.fetch(_SOMEBODY_WAITS))[0][0])


async def until_appended(history: History) -> None:
    """Append one decision after another until one stands; that does not take long."""
    async with asyncio.timeout(PATIENCE):
        while not isinstance(await told(history, made()), Appended):
            pass


async def check(history: History, decision: Decision, answer: Told) -> None:
    """Check that what the sender was told is so, and that to send again has one effect.

    Raises:
        Lost: it is not so.
    """
    stored = await history.find(decision.submission.scope)
    if isinstance(answer, Appended) and stored != answer.last:
        raise Lost(f"told {answer}, stored is {stored}")
    if isinstance(answer, StoreBusy | StoreFailed | StoreUnavailable) and stored is not None:
        raise Lost(f"told that nothing was stored ({answer}), found at {stored}")
    await check_repeat(history, decision, stored)


async def check_repeat(history: History, decision: Decision, stored: int | None) -> None:
    """Check that to send again has one effect, whether or not there is one already.

    Raises:
        Lost: it has not.
    """
    again = await told(history, decision)
    expected = Duplicate(stored, True) if stored is not None else again
    if again != expected or not isinstance(again, Appended | Duplicate):
        raise Lost(f"sent again: {again}, expected {expected}")


async def at_every_message(
    histories: Sequence[PostgresHistory],
    act: Act,
    *,
    earlier: int = 0,
    seconds: float = 0.02,
    pooled: bool = False,
) -> list[Told]:
    """Live through a case for each message of an append; return what the senders were told.

    Args:
        histories: as many cases are lived through at once, each on one of them, but where the deadline passes.
        act: what goes wrong.
        earlier: see `Case`.
        seconds: see `Case`.
        pooled: see `Case`.
    """
    answers: list[Told] = []
    ends_at_once = act in ("reset", "torn", "half_closed") or (act == "delayed" and seconds < UNREACHED)
    clock = None if ends_at_once else Clock()
    together = histories if ends_at_once else histories[:1]
    while True:
        numbers = range(len(answers) + 1, len(answers) + len(together) + 1)
        cases = [Case(act, number, earlier, seconds, pooled, UNREACHED) for number in numbers]
        several = await asyncio.gather(*(live_through(*each, clock) for each in zip(together, cases, strict=True)))
        answers += [answer for answer in several if answer is not None]
        if None in several:
            return answers


def some_cuts(seed: int, places: Places) -> str:
    """Live through cases, the same for the same seed, each of them with others beside it; for the long script."""
    chance = Random(seed)
    place = places.new()
    cases = [
        Case(
            chance.choice(ACTS),
            chance.randint(1, 12),
            chance.randrange(3),
            chance.choice((0.02, 3 * DEADLINE)),
            chance.random() < 0.3,
        )
        for _ in range(20)
    ]
    answers = asyncio.run(_all_at_once(place.url, cases))
    place.stored()
    kinds = [type(answer).__name__ for answer in answers if answer is not None]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))


async def _all_at_once(url: str, cases: Sequence[Case]) -> list[Told | None]:
    direct = await open_history(url)
    assert isinstance(direct, PostgresHistory)
    try:
        return await asyncio.gather(*(live_through(direct, case) for case in cases))
    finally:
        await direct.close()
