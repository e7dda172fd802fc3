"""`Prefer: preview`: what would follow a command, or the problem that it would get."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.http.client import Client, problem

pytestmark = pytest.mark.anyio
PREVIEW = {"Prefer": "preview"}


async def test_a_preview_answers_with_the_events_and_stores_nothing(client: Client) -> None:
    ticket_id = await client.open_ticket()
    answer = await client.send("CloseTicket", {"ticket_id": ticket_id}, PREVIEW)
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "preview")
    assert answer.json() == {
        "position": 1,
        "events": [
            {
                "type": "TicketClosed",
                "version": 1,
                "tags": [f"ticket:{ticket_id}"],
                "payload": {"ticket_id": str(ticket_id)},
            }
        ],
    }
    assert "twofold-after" not in answer.headers
    assert await client.head() == 1
    sent = await client.send("CloseTicket", {"ticket_id": ticket_id}, {"If-Match": f'"{answer.json()["position"]}"'})
    assert sent.json()["position"] == 2
    assert "preference-applied" not in sent.headers


@pytest.mark.parametrize(("name", "status"), [("OpenTicket", 409), ("BreakDown", 500), ("Doubt", 503)])
async def test_a_problem_is_told_as_it_would_be(client: Client, name: str, status: int) -> None:
    fields = {"ticket_id": await client.open_ticket(), **({"title": "t"} if name == "OpenTicket" else {})}
    answer = await client.send(name, fields, PREVIEW)
    assert (answer.status_code, answer.headers["preference-applied"]) == (status, "preview")
    assert problem(answer)["code"]
    assert await client.head() == 1


async def test_the_past_is_decided_against(client: Client) -> None:
    ticket_id = await client.open_ticket()
    fields = {"ticket_id": ticket_id, "title": "again"}
    for form in ("preview; as-of=0", 'preview;as-of="0"', "Preview ; As-Of = 0", "wait=5, preview; as-of=0"):
        answer = await client.send("OpenTicket", fields, {"Prefer": form})
        assert (answer.status_code, len(answer.json()["events"])) == (200, 1), form
    beyond = await client.send("OpenTicket", fields, {"Prefer": "preview; as-of=9"})
    assert (beyond.status_code, problem(beyond)["code"], problem(beyond)["head"]) == (422, "unknown_position", 1)
    changed = await client.send("CloseTicket", {"ticket_id": ticket_id}, {**PREVIEW, "If-Match": '"0"'})
    assert (changed.status_code, problem(changed)["code"]) == (412, "changed_since")


@pytest.mark.parametrize("form", ["preview=1", "preview; as-of", "preview; as-of=-1", "preview; as_of=1", "preview; x"])
async def test_a_preview_that_is_not_understood_is_not_sent_instead(client: Client, form: str) -> None:
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "t"}, {"Prefer": form})
    assert (answer.status_code, problem(answer)["code"], problem(answer)["header"]) == (400, "invalid_header", "Prefer")
    assert await client.head() == 0


async def test_other_preferences_are_ignored(client: Client) -> None:
    answer = await client.send("OpenTicket", {"ticket_id": uuid4(), "title": "t"}, {"Prefer": "respond-async, wait=1"})
    assert (answer.status_code, answer.json()["position"]) == (200, 1)


async def test_a_key_is_not_used_up(client: Client) -> None:
    fields, key = {"ticket_id": uuid4(), "title": "t"}, {"Idempotency-Key": "k"}
    await client.send("OpenTicket", fields, {**PREVIEW, **key})
    assert (await client.send("OpenTicket", fields, key)).json()["repeated"] is False


async def test_the_document_tells_of_it(client: Client) -> None:
    send = (await client.http.get("/openapi.json")).json()["paths"]["/commands/OpenTicket"]["post"]
    assert {"$ref": "#/components/parameters/Prefer"} in send["parameters"]
    assert "Preference-Applied" in send["responses"]["200"]["headers"]
    assert "Preview" in str(send["responses"]["200"]["content"])
