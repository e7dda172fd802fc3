"""H5: a command id is decided once; a repeat gets the first answer, another command under the same id is told apart."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from twofold.history.boundary import EVERYTHING
from twofold.history.store import Appended, Conflict, Duplicate, History
from twofold.testing.contracts.making import REJECTED, append, append_one, command, decided, event, fill, on
from twofold.testing.contracts.suite import HistorySuite


class HistoryCommands(HistorySuite):
    """What the ledger of commands must answer."""

    async def test_a_repeat_gets_the_first_position_and_stores_nothing(self, history: History) -> None:
        sent = command(payload=b'{"n": 1}')
        assert await append_one(history, decided(event(), event(), by=sent)) == Appended(1, 2)
        await fill(history, event())
        assert await append_one(history, decided(event(), event(), by=sent)) == Duplicate(2, True)
        assert await history.head() == 3

    async def test_another_payload_or_type_under_the_same_id_is_told(self, history: History) -> None:
        sent = command(payload=b'{"n":1}')
        await append_one(history, decided(event(), by=sent))
        others = (
            command(sent.command_id, payload=b'{"n":2}'),
            command(sent.command_id, type_="DoElse", payload=sent.payload),
        )
        for other in others:
            assert await append_one(history, decided(event(), by=other)) == Duplicate(1, False)
        assert await history.head() == 1

    async def test_payloads_are_compared_byte_for_byte(self, history: History) -> None:
        sent = command(payload='{"n":"é"}'.encode())
        await append_one(history, decided(event(), by=sent))
        for payload, same in (('{"n":"é"}'.encode(), True), (b'{"n":"\\u00e9"}', False), (b'{"n" :"e"}', False)):
            again = command(sent.command_id, payload=payload)
            assert await append_one(history, decided(by=again)) == Duplicate(1, same)

    async def test_a_repeat_in_one_batch_gets_the_first_position(self, history: History) -> None:
        sent = command()
        other = command(sent.command_id, payload=b"[]")
        outcomes = await append(history, *[decided(event(), by=each) for each in (sent, sent, other)])
        assert outcomes == [Appended(1, 1), Duplicate(1, True), Duplicate(1, False)]
        assert await history.head() == 1

    async def test_a_repeat_is_told_as_such_although_its_boundary_has_moved(self, history: History) -> None:
        sent = command()
        first = decided(event("A", "x:1"), on=on("x:1"), by=sent)
        await append_one(history, first)
        assert await append_one(history, first) == Duplicate(1, True)
        assert await append(history, first, decided(event("A", "x:1")), first) == [
            Duplicate(1, True), Appended(2, 2), Duplicate(1, True),
        ]  # fmt: skip

    async def test_an_accepted_command_without_events_claims_its_id(self, history: History) -> None:
        await fill(history, event())
        sent = command()
        assert await append_one(history, decided(by=sent)) == Appended(1, 1)
        await fill(history, event())
        assert await append_one(history, decided(event(), by=sent)) == Duplicate(1, True)

    async def test_a_rejection_claims_no_id(self, history: History) -> None:
        sent = command()
        for _ in range(2):
            assert await append_one(history, decided(by=sent, rejection=REJECTED)) == Appended(0, 0)
        assert await history.find(sent.scope) is None
        assert await append_one(history, decided(event(), by=sent)) == Appended(1, 1)

    async def test_a_rejection_claims_no_id_in_one_batch(self, history: History) -> None:
        sent = command()
        outcomes = await append(
            history, decided(by=sent, rejection=REJECTED), decided(event(), by=sent), decided(event(), by=sent)
        )
        assert outcomes == [Appended(0, 0), Appended(1, 1), Duplicate(1, True)]

    async def test_a_rejection_under_an_accepted_id_is_a_repeat(self, history: History) -> None:
        sent = command()
        await append_one(history, decided(event(), by=sent))
        assert await append_one(history, decided(by=sent, rejection=REJECTED)) == Duplicate(1, True)

    async def test_a_conflict_claims_no_id(self, history: History) -> None:
        await fill(history, event("A", "x:1"))
        sent = command()
        assert await append_one(history, decided(event(), on=EVERYTHING, by=sent)) == Conflict(1)
        assert await history.find(sent.scope) is None
        outcomes = await append(
            history, decided(event(), on=EVERYTHING, by=sent), decided(event(), on=EVERYTHING, after=1, by=sent)
        )
        assert outcomes == [Conflict(1), Appended(2, 2)]

    async def test_ids_are_told_apart_by_principal_and_tenant(self, history: History) -> None:
        shared = uuid4()
        senders = [
            command(shared),
            command(shared, principal="ada"),
            command(shared, principal="eva"),
            command(shared, tenant="north"),
            command(shared, principal="ada", tenant="north"),
        ]
        for position, sent in enumerate(senders, 1):
            assert await append_one(history, decided(event(), by=sent)) == Appended(position, position)
        for position, sent in enumerate(senders, 1):
            assert await append_one(history, decided(event(), by=sent)) == Duplicate(position, True)
            assert await history.find(sent.scope) == position

    async def test_find_tells_the_position_that_a_command_reached(self, history: History) -> None:
        first, second, third = command(), command(), command()
        assert await history.find(first.scope) is None
        await append(history, decided(event(), event(), by=first), decided(event(), by=second), decided(by=third))
        assert [await history.find(each.scope) for each in (first, second, third)] == [2, 3, 3]

    async def test_an_id_that_was_made_for_its_command_is_claimed_too(self, history: History) -> None:
        sent = msgspec.structs.replace(command(), is_first=True)
        assert await append_one(history, decided(event(), by=sent)) == Appended(1, 1)
        assert await history.find(sent.scope) == 1
        again = msgspec.structs.replace(sent, is_first=False)
        assert await append_one(history, decided(event(), by=again)) == Duplicate(1, True)
