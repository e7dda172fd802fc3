"""GET and POST /queries/{Name}: answers, freshness, pages, and fields that come as text."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from tests.http.client import Client, problem, served
from tests.http.tickets import Echo
from twofold.http.fields import TextFields
from twofold.http.problem import Refused, response

pytestmark = pytest.mark.anyio


@pytest.fixture
def ticket_id() -> UUID:
    return uuid4()


async def test_a_query_reads_what_its_sender_wrote(client: Client, ticket_id: UUID) -> None:
    written = await client.send("OpenTicket", {"ticket_id": ticket_id, "title": "mine", "labels": ["a", "b"]})
    after = {"Twofold-After": written.headers["twofold-after"]}
    answer = await client.http.get(f"/queries/GetTicket?ticket_id={ticket_id}", headers=after)
    assert answer.status_code == 200
    expected = {
        "ticket_id": str(ticket_id), "title": "mine", "priority": 3, "kind": "bug", "labels": ["a", "b"], "open": True,
    }  # fmt: skip
    assert answer.json() == expected
    assert (await client.ask("GetTicket", {"ticket_id": ticket_id}, after)).json() == expected


async def test_an_answer_may_be_nothing(client: Client) -> None:
    answer = await client.http.get(f"/queries/GetTicket?ticket_id={uuid4()}")
    assert (answer.status_code, answer.text) == (200, "null")


async def test_head_is_answered_without_a_body(client: Client) -> None:
    answer = await client.http.head("/queries/CountTickets")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_position_that_is_not_reached_in_time_is_told_with_the_time_to_retry(client: Client) -> None:
    await client.open_ticket()
    answer = await client.http.get("/queries/CountTickets", headers={"Twofold-After": "7", "Twofold-Timeout": "0.01"})
    told = problem(answer)
    assert (answer.status_code, told["code"]) == (503, "not_fresh")
    assert (told["model"], told["wanted"], told["timeout"]) == ("Ticket", 7, 0.01)
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("text", ["", "-1", "1.0", "x", "٣", "1 2", str(2**63), "9" * 5000])
async def test_a_position_that_is_none_is_refused(client: Client, text: str) -> None:
    answer = await client.http.get("/queries/CountTickets", headers=[(b"Twofold-After", text.encode())])
    told = problem(answer)
    assert (answer.status_code, told["code"], told["header"]) == (400, "invalid_header", "Twofold-After")


@pytest.mark.parametrize("text", ["", "-1", "31", "30.1", "nan", "inf", "1e9", "x", "1,5", "1e", "0x1"])
async def test_a_timeout_beyond_bounds_is_refused(client: Client, text: str) -> None:
    answer = await client.http.get("/queries/CountTickets", headers={"Twofold-Timeout": text})
    told = problem(answer)
    assert (answer.status_code, told["code"], told["header"]) == (400, "invalid_header", "Twofold-Timeout")


@pytest.mark.parametrize("text", ["0", "30", "0.5", "30.0", "2e1", "5e-324", "1.8389557611733122E-28"])
async def test_a_timeout_is_any_number_within_bounds(client: Client, text: str) -> None:
    # Before its projection has begun, a read model cannot be waited for so shortly.
    await client.node.caught_up()
    answer = await client.http.get("/queries/CountTickets", headers={"Twofold-Timeout": text})
    assert answer.status_code == 200


async def test_a_header_that_is_sent_twice_is_refused(client: Client) -> None:
    answer = await client.http.get("/queries/CountTickets", headers=[("Twofold-After", "1"), ("Twofold-After", "2")])
    assert (answer.status_code, problem(answer)["code"]) == (400, "invalid_header")


async def test_pages_follow_one_another_by_the_cursor_in_the_header(client: Client) -> None:
    for number in range(5):
        await client.open_ticket(title=f"ticket {number}", priority=2)
    await client.open_ticket(title="another", priority=1)
    address = "/queries/FindTickets?priority=2&order_by=title&limit=2"
    first = await client.http.get(address, headers={"Twofold-After": "6"})
    titles: list[str] = [row["title"] for row in first.json()]
    cursor = first.headers.get("twofold-next")
    while cursor is not None:
        page = await client.ask("FindTickets", {"priority": 2, "order_by": "title", "limit": 2, "after": cursor})
        titles += [row["title"] for row in page.json()]
        cursor = page.headers.get("twofold-next")
    assert titles == [f"ticket {number}" for number in range(5)]


async def test_a_cursor_or_order_that_does_not_exist_is_told_as_the_clients_mistake(client: Client) -> None:
    answer = await client.http.get("/queries/FindTickets?after=nonsense")
    assert (answer.status_code, problem(answer)["code"]) == (422, "invalid_cursor")
    answer = await client.http.get("/queries/FindTickets?order_by=title%3B+drop+table+ticket")
    assert (answer.status_code, problem(answer)["code"]) == (422, "invalid_filter")


ECHO: dict[str, Any] = {
    "text": "", "number": 0, "weight": 0.0, "flag": False, "kind": "bug", "at": None, "labels": [], "numbers": [],
    "reporter": None, "reporters": [], "sizes": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("text=", {}),
        ("text=a+b%20c%26%C3%A9", {"text": "a b c&é"}),
        ("text=null", {"text": "null"}),
        ("number=-7&weight=2.5&flag=true&kind=wish", {"number": -7, "weight": 2.5, "flag": True, "kind": "wish"}),
        ("flag=0&weight=3", {"weight": 3.0}),
        (f"number={2**63 - 1}", {"number": 2**63 - 1}),
        ("at=2026-01-31T12%3A00%3A00Z", {"at": "2026-01-31T12:00:00Z"}),
        ("labels=one", {"labels": ["one"]}),
        ("labels=one&text=x&labels=two", {"labels": ["one", "two"], "text": "x"}),
        ("numbers=1&numbers=2", {"numbers": [1, 2]}),
        ('reporter={"name":"Ada"}', {"reporter": {"name": "Ada", "phone": None}}),
        ('reporters={"name":"A"}&reporters={"name":"B"}', {"reporters": [{"name": n, "phone": None} for n in "AB"]}),
        ('sizes={"a":1}', {"sizes": {"a": 1}}),
    ],
)
async def test_fields_of_every_kind_come_through_as_text(client: Client, text: str, fields: dict[str, Any]) -> None:
    answer = await client.http.get(f"/queries/Echo?{text}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {**ECHO, **fields}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("number=", "number"),
        ("number=1.5", "number"),
        ("number=x", "number"),
        (f"number={2**63}", "number"),
        ("number=" + "9" * 5000, "number"),
        ("number=1&number=2", "number"),
        ("weight=nan", "weight"),
        ("weight=inf", "weight"),
        ("flag=maybe", "flag"),
        ("kind=riddle", "kind"),
        ("at=yesterday", "at"),
        ("numbers=1&numbers=x", "numbers[1]"),
        ("reporter=Ada", "reporter"),
        ("reporter={}", "reporter.name"),
        ('reporter={"name":"Ada","phone":"none"}', "reporter.phone"),
        ("sizes=[]", "sizes"),
        ("unknown=1", "unknown"),
        ("text=%00", "text"),
        ("text=%ED%A0%80", ""),
        ("text=%FF", ""),
        ("&".join(["labels=x"] * 1001), ""),
    ],
)
async def test_a_field_that_is_wrong_as_text_is_named(client: Client, text: str, field: str) -> None:
    answer = await client.http.get(f"/queries/Echo?{text}")
    told = problem(answer)
    assert (answer.status_code, told["code"]) == (422, "invalid_message")
    assert told["field"] == field


async def test_json_in_a_field_is_bounded_in_depth(client: Client) -> None:
    answer = await client.http.get("/queries/Echo", params={"reporter": "[" * 5000})
    assert (answer.status_code, problem(answer)["code"]) == (400, "too_deep")


async def test_an_address_is_bounded_in_length() -> None:
    fields = TextFields(Echo)
    assert fields.message(b"text=" + b"x" * 60_000) == Echo("x" * 60_000)
    with pytest.raises(Refused) as refused:
        fields.message(b"text=" + b"x" * 64 * 1024)
    assert response(refused.value, "a test").status_code == 414


@pytest.mark.parametrize("name", ["BreakQuery", "AskNonsense"])
async def test_a_query_that_fails_is_told_by_an_incident_that_the_log_carries(
    client: Client, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.ask(name, {})
    told = problem(answer)
    assert (answer.status_code, told["code"]) == (500, "internal")
    assert "secret" not in answer.text
    [record] = [record for record in caplog.records if told["incident"] in record.getMessage()]
    assert record.getMessage().startswith(f"query {name} failed")
    assert record.exc_info is not None


async def test_a_query_with_a_body_takes_only_json(client: Client) -> None:
    answer = await client.raw("/queries/GetTicket", b"ticket_id=1", {"Content-Type": "text/plain"})
    assert (answer.status_code, problem(answer)["code"]) == (415, "wrong_content_type")
    answer = await client.raw("/queries/GetTicket", msgspec.json.encode({"ticket_id": 1}))
    assert (answer.status_code, problem(answer)["field"]) == (422, "ticket_id")


async def test_another_node_shows_what_one_has_acknowledged(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data"
    async with served(url, roles=["write", "http"]) as writer, served(url) as reader:
        for number in range(1, 6):
            sent = await writer.send("OpenTicket", {"ticket_id": uuid4(), "title": "mine"})
            answer = await reader.ask("CountTickets", {}, {"Twofold-After": sent.headers["twofold-after"]})
            assert (answer.json(), answer.headers["twofold-position"]) == (number, str(number))


async def test_an_answer_may_be_asked_for_that_hardly_lags_behind(client: Client) -> None:
    for number in range(1, 6):
        await client.open_ticket()
        assert (await client.ask("CountTickets", {}, {"Twofold-Max-Lag": "0"})).json() == number
    assert (await client.ask("CountTickets", {}, {"Twofold-Max-Lag": "3600"})).status_code == 200


@pytest.mark.parametrize("text", ["", "-1", "86401", "soon"])
async def test_a_lag_beyond_bounds_is_refused(client: Client, text: str) -> None:
    answer = await client.http.get("/queries/CountTickets", headers={"Twofold-Max-Lag": text})
    told = problem(answer)
    assert (answer.status_code, told["code"], told["header"]) == (400, "invalid_header", "Twofold-Max-Lag")


async def test_the_past_is_asked_by_position_and_by_time(client: Client) -> None:
    ticket_id = await client.open_ticket()
    await client.send("CloseTicket", {"ticket_id": ticket_id})
    opened, closed = [recorded.metadata.time async for recorded in client.node.events()]
    path = f"/queries/GetTicket?ticket_id={ticket_id}"
    for moment, is_open in (("1", True), ("2", False), (closed.isoformat(), False), ("2999-01-01T00:00:00Z", False)):
        answer = await client.http.get(path, headers={"Twofold-As-Of": moment})
        assert (answer.status_code, answer.json()["open"]) == (200, is_open)
        assert answer.headers["twofold-position"] == ("1" if moment == "1" else "2")
    answer = await client.http.get(path, headers={"Twofold-As-Of": (opened - timedelta(days=1)).isoformat()})
    assert (answer.json(), answer.headers["twofold-position"]) == (None, "0")


async def test_a_past_that_there_is_not_is_refused(client: Client) -> None:
    await client.open_ticket()
    path = f"/queries/GetTicket?ticket_id={uuid4()}"
    for text in ("", "-1", "yesterday", "2026-11-30", "2026-11-30T12:00:00", "9" * 20):
        answer = await client.http.get(path, headers={"Twofold-As-Of": text})
        told = problem(answer)
        assert (answer.status_code, told["code"], told["header"]) == (400, "invalid_header", "Twofold-As-Of"), text
    answer = await client.http.get(path, headers={"Twofold-As-Of": "2"})
    assert (answer.status_code, problem(answer)["code"]) == (422, "unknown_position")
    answer = await client.http.get("/queries/CountTickets", headers={"Twofold-As-Of": "1"})
    assert (answer.status_code, problem(answer)["code"], problem(answer)["model"]) == (422, "no_past", "Ticket")
    answer = await client.http.get(path, headers={"Twofold-As-Of": "1", "Accept": "text/event-stream"})
    assert (answer.status_code, problem(answer)["code"]) == (400, "invalid_header")
