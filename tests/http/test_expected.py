"""`If-Match`: a page that was read at a position is not overwritten by whoever still looks at it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.http.client import Client, problem

pytestmark = pytest.mark.anyio


async def test_an_answer_tells_the_position_that_it_rests_on(client: Client) -> None:
    ticket_id = await client.open_ticket()
    await client.open_ticket()
    for answer in (
        await client.http.get(f"/queries/GetTicket?ticket_id={ticket_id}", headers={"Twofold-After": "2"}),
        await client.ask("GetTicket", {"ticket_id": ticket_id}),
        await client.ask("FindTickets", {"limit": 1}),
    ):
        assert answer.headers["twofold-position"] == "2"
    assert answer.headers["twofold-next"]
    # What rests on no read model rests on no position.
    assert "twofold-position" not in (await client.ask("Echo", {})).headers


@pytest.mark.parametrize("form", ['"{}"', "{}"])
async def test_a_command_is_decided_where_its_sender_has_seen_the_latest(client: Client, form: str) -> None:
    ticket_id = await client.open_ticket()
    await client.open_ticket()
    page = await client.ask("GetTicket", {"ticket_id": ticket_id}, {"Twofold-After": "2"})
    seen = {"If-Match": form.format(page.headers["twofold-position"])}

    closed = await client.send("CloseTicket", {"ticket_id": ticket_id}, seen)
    assert (closed.status_code, closed.json()["position"]) == (200, 3)

    refused = await client.send("OpenTicket", {"ticket_id": ticket_id, "title": "on an old page"}, seen)
    assert refused.status_code == 412
    told = problem(refused)
    assert (told["code"], told["command"], told["expected"], told["position"]) == ("changed_since", "OpenTicket", 2, 3)
    assert "retry-after" not in refused.headers
    assert await client.head() == 3


async def test_a_repeat_under_its_key_gets_the_first_receipt(client: Client) -> None:
    fields = {"ticket_id": uuid4(), "title": "once"}
    headers = {"If-Match": '"0"', "Idempotency-Key": "k"}
    answers = [await client.send("OpenTicket", fields, headers) for _ in range(2)]
    assert [(a.status_code, a.json()["position"], a.json()["repeated"]) for a in answers] == [
        (200, 1, False),
        (200, 1, True),
    ]


@pytest.mark.parametrize("value", ["*", '"1", "2"', 'W/"1"', "", '"', '""', "-1", '"x"', "9" * 20, '"1" '[1:]])
async def test_what_is_no_position_is_refused(client: Client, value: str) -> None:
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "t"}, {"If-Match": value})
    assert answer.status_code == 400
    assert (problem(answer)["code"], problem(answer)["header"]) == ("invalid_header", "If-Match")
    assert await client.head() == 0


async def test_a_position_beyond_the_end_of_the_history_is_no_match(client: Client) -> None:
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "t"}, {"If-Match": '"7"'})
    assert (answer.status_code, problem(answer)["code"]) == (412, "changed_since")


async def test_a_command_that_rests_on_nothing_cannot_match(client: Client) -> None:
    answer = await client.send("Doubt", {"ticket_id": uuid4()}, {"If-Match": '"0"'})
    assert (answer.status_code, problem(answer)["code"]) == (422, "invalid_message")


@pytest.mark.parametrize(("value", "status"), [("30", 200), ("0", 503), ("31", 400), ("-1", 400), ("soon", 400)])
async def test_a_command_may_have_a_deadline(client: Client, value: str, status: int) -> None:
    fields = {"ticket_id": uuid4(), "title": "t"}
    answer = await client.send("OpenTicket", fields, {"Twofold-Timeout": value})
    assert answer.status_code == status
    assert await client.head() == (status == 200)
    if status == 503:
        told = problem(answer)
        assert (told["code"], told["command"], told["timeout"]) == ("timed_out", "OpenTicket", 0)
        assert answer.headers["retry-after"] == "1"


async def test_the_document_tells_of_it(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    send = document["paths"]["/commands/OpenTicket"]["post"]
    assert {"$ref": "#/components/parameters/If-Match"} in send["parameters"]
    assert "412" in send["responses"]
    assert "changed_since" in document["components"]["responses"]["Problem412"]["description"]
    ask = document["paths"]["/queries/FindTickets"]["get"]["responses"]["200"]
    assert set(ask["headers"]) == {"Twofold-Position", "Twofold-Next", "ETag"}
    assert set(document["paths"]["/queries/Echo"]["get"]["responses"]["200"]["headers"]) == {"ETag"}
