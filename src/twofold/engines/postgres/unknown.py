"""What became of an append whose answer was lost (H7): it is asked for, never guessed, never blindly retried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from twofold.engines.postgres.batch import fingerprint
from twofold.engines.postgres.server import Server
from twofold.engines.postgres.statements import statement
from twofold.errors import OutcomeUnknown, StoreError, StoreFailed
from twofold.history.record import Position, Submission
from twofold.history.store import Appended, Conflict, Decision, Duplicate, Outcome

_PAUSES = (0.02, 0.1, 0.25)


async def resolve(
    server: Server, attempt: UUID, since: int, decisions: Sequence[Decision], lost: OutcomeUnknown
) -> list[Outcome]:
    """Return the outcomes of an append that was stored after all.

    The attempt is closed first: should its bytes reach the database later, it is refused there.

    Args:
        server: the database.
        attempt: what the append was called.
        since: an entry of the ledger from before it.
        decisions: the batch.
        lost: what is known of how its answer was lost.

    Raises:
        StoreFailed: nothing of it was stored.
        OutcomeUnknown: it could not be found out within the deadline.
    """
    try:
        async with asyncio.timeout(server.address.deadline):
            rows = await _asked(server, attempt, since)
            if rows:
                return [await _outcome(server, decision, rows) for decision in decisions]
    except (StoreError, TimeoutError) as error:
        raise lost from error
    raise StoreFailed(path=server.address.shown, problem=lost.problem) from lost


async def _asked(server: Server, attempt: UUID, since: int) -> list[Any]:
    """Ask again and again: a server that is starting anew takes a while."""
    tries = 0
    while True:
        try:
            server.forget()
            return list(await server.call(statement("resolve"), attempt, since))
        except StoreError:
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1


async def _outcome(server: Server, decision: Decision, rows: list[Any]) -> Outcome:
    """Answer one decision, taking its row from the stored ones, which are in the order of the batch."""
    sent = decision.submission
    accepted = decision.rejection is None
    if rows:
        tenant, principal, command_id, outcome, first, position = rows[0]
        if (tenant, principal, command_id) == sent.scope and accepted == (outcome == "accepted"):
            del rows[0]
            return Appended(min(first, position), position)
    return await _refused(server, sent)


async def _refused(server: Server, sent: Submission) -> Outcome:
    found = await server.fetch(statement("find"), *sent.scope)
    if found:
        position, print_ = found[0]
        return Duplicate(position, print_ == fingerprint(sent))
    head: Position = (await server.fetch(statement("head")))[0][0]
    return Conflict(head)
