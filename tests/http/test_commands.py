"""POST /commands/{Name}: receipts, idempotency, rejections, and what a client is told when something fails."""

import asyncio
import logging
from urllib.parse import quote
from uuid import UUID, uuid4, uuid5

import pytest

from tests.http.client import Client, problem
from twofold.http.headers import COMMAND_IDS

pytestmark = pytest.mark.anyio


async def test_an_accepted_command_is_answered_with_its_receipt(client: Client) -> None:
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "first"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    receipt = answer.json()
    assert receipt == {"command_id": receipt["command_id"], "position": 1, "repeated": False}
    assert UUID(receipt["command_id"]).version == 7
    assert answer.headers["twofold-after"] == "1"
    assert await client.head() == 1


async def test_a_uuid_as_key_is_the_command_id(client: Client) -> None:
    key = uuid4()
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "t"}, {"Idempotency-Key": str(key)})
    assert answer.json()["command_id"] == str(key)
    [event] = [event async for event in client.node.events()]
    assert event.metadata.command_id == key


SOME_ID = "06294498-7e50-431c-bfe9-6dcb8f6e6fff"


@pytest.mark.parametrize("key", ["order-1", "0", "~" * 255, f"urn:uuid:{SOME_ID}", SOME_ID.replace("-", "")])
async def test_any_other_key_stands_for_the_uuid_5_of_it(client: Client, key: str) -> None:
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "t"}, {"Idempotency-Key": key})
    assert answer.json()["command_id"] == str(uuid5(UUID("880315c1-ccbe-43e0-ae44-205641d2e4f5"), key))
    assert UUID("880315c1-ccbe-43e0-ae44-205641d2e4f5") == COMMAND_IDS


async def test_a_key_in_quotes_is_the_same_key(client: Client) -> None:
    fields = {"ticket_id": uuid4(), "title": "t"}
    first = await client.send("OpenTicket", fields, {"Idempotency-Key": "abc"})
    second = await client.send("OpenTicket", fields, {"Idempotency-Key": '"abc"'})
    assert second.json() == {**first.json(), "repeated": True}


async def test_a_repeat_under_one_key_has_one_effect_and_gets_the_first_receipt(client: Client) -> None:
    fields = {"ticket_id": uuid4(), "title": "once"}
    answers = [await client.send("OpenTicket", fields, {"Idempotency-Key": "k"}) for _ in range(3)]
    first = answers[0].json()
    assert [answer.json() for answer in answers] == [first, *[{**first, "repeated": True}] * 2]
    assert [answer.headers["twofold-after"] for answer in answers] == ["1"] * 3
    assert await client.head() == 1


async def test_repeats_at_the_same_time_have_one_effect(client: Client) -> None:
    fields = {"ticket_id": uuid4(), "title": "once"}
    answers = await asyncio.gather(*(client.send("OpenTicket", fields, {"Idempotency-Key": "k"}) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["repeated"] for answer in answers) == [False] + [True] * 19
    assert await client.head() == 1


async def test_the_same_command_without_a_key_is_another_command(client: Client) -> None:
    fields = {"ticket_id": await client.open_ticket()}
    answers = [await client.send("CloseTicket", fields) for _ in range(2)]
    assert answers[0].json()["command_id"] != answers[1].json()["command_id"]


async def test_a_key_that_was_used_for_another_command_is_refused(client: Client) -> None:
    key = {"Idempotency-Key": "k"}
    first = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "one"}, key)
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "two"}, key)
    told = problem(answer)
    assert (answer.status_code, told["code"]) == (422, "command_id_reused")
    assert told["command_id"] == first.json()["command_id"]
    assert told["position"] == 1
    assert await client.head() == 1


async def test_a_rejection_is_told_with_its_code_its_reason_and_its_facts(client: Client) -> None:
    ticket_id = await client.open_ticket()
    answer = await client.send("OpenTicket", {"ticket_id": ticket_id, "title": "again"})
    assert answer.status_code == 409
    assert problem(answer) == {
        "type": "urn:twofold:rejected:already_open",
        "title": "Rejected",
        "status": 409,
        "detail": f"ticket {ticket_id} is open",
        "code": "already_open",
        "status_": "open",
        "ticket": str(ticket_id),
        "limit": 1,
    }
    assert await client.head() == 1


async def test_a_rejection_that_json_cannot_hold_is_still_a_rejection(client: Client) -> None:
    name = quote("re-open {it}/now", safe="")
    answer = await client.send(name, {"ticket_id": uuid4()})
    told = problem(answer)
    assert (answer.status_code, told["code"], told["type"]) == (
        409,
        "not yet/äöü",
        f"urn:twofold:rejected:{quote('not yet/äöü', safe='')}",
    )


async def test_a_rejection_that_the_ledger_cannot_hold_fails_alone(client: Client) -> None:
    opened, odd = await asyncio.gather(
        client.send("OpenTicket", {"ticket_id": uuid4(), "title": "beside it"}),
        client.send("RejectOddly", {"ticket_id": uuid4()}),
    )
    assert opened.status_code == 200
    assert (odd.status_code, problem(odd)["code"]) == (500, "handler_failed")


async def test_a_command_that_changes_nothing_is_accepted_at_the_head(client: Client) -> None:
    await client.open_ticket()
    answer = await client.send("CloseTicket", {"ticket_id": uuid4()})
    assert (answer.status_code, answer.json()["position"]) == (200, 1)


async def test_a_handler_that_fails_is_told_by_an_incident_that_the_log_carries(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.send("BreakDown", {"ticket_id": uuid4()})
    told = problem(answer)
    assert (answer.status_code, told["code"]) == (500, "handler_failed")
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "break_down" not in answer.text
    [record] = [record for record in caplog.records if told["incident"] in record.getMessage()]
    assert record.exc_info is not None
    assert "the inner secret of the handler" in str(record.exc_info[1])
    assert await client.head() == 0


async def test_a_handler_whose_event_is_not_valid_appends_nothing(client: Client) -> None:
    answer = await client.send("SayNonsense", {"ticket_id": uuid4()})
    assert (answer.status_code, problem(answer)["code"]) == (500, "handler_failed")
    assert await client.head() == 0


async def test_a_command_of_unknown_outcome_can_be_repeated_under_its_id(client: Client) -> None:
    fields = {"ticket_id": uuid4()}
    without = await client.send("Doubt", fields)
    told = problem(without)
    assert (without.status_code, told["code"]) == (503, "outcome_unknown")
    assert UUID(told["command_id"])
    assert "secret" not in without.text
    # Whoever simply sent it again would send another command.
    assert "retry-after" not in without.headers
    with_key = await client.send("Doubt", fields, {"Idempotency-Key": told["command_id"]})
    assert problem(with_key)["command_id"] == told["command_id"]
    assert with_key.headers["retry-after"] == "1"


async def test_what_clients_send_is_in_no_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-7261"
    headers = {"Idempotency-Key": canary, "Authorization": canary, "Cookie": canary}
    ticket_id = await client.open_ticket(title=canary)
    for name in ("OpenTicket", "BreakDown", "SayNonsense", canary):
        await client.send(name, {"ticket_id": ticket_id, "title": canary}, headers)
    await client.ask("BreakQuery", {"secret": canary}, headers)
    await client.http.get(f"/queries/BreakQuery?secret={canary}", headers=headers)
    await client.raw("/commands/OpenTicket", canary.encode())
    ours = [record for record in caplog.records if record.name.startswith("twofold")]
    assert ours
    assert not [record for record in ours if canary in logging.Formatter().format(record)]
