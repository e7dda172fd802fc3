"""`ETag` and `If-None-Match`: who has an answer already is told so, and never when it is another one by now."""

from pathlib import Path

import pytest

from tests.http.client import Client, served

pytestmark = pytest.mark.anyio

COUNT = "/queries/CountTickets"


async def test_who_has_the_answer_is_told_so_until_it_changes(client: Client) -> None:
    await client.open_ticket()
    first = await client.http.get(COUNT, headers={"Twofold-After": "1"})
    assert (first.status_code, first.json()) == (200, 1)
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await client.http.get(COUNT, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["twofold-position"] == "1"
    for unknown in ('"other"', tag.strip('"'), ""):
        assert (await client.http.get(COUNT, headers={"If-None-Match": unknown})).status_code == 200
    await client.open_ticket()
    other = await client.http.get(COUNT, headers={"If-None-Match": tag, "Twofold-After": "2"})
    assert (other.status_code, other.json()) == (200, 2)
    assert other.headers["etag"] != tag


async def test_an_answer_that_comes_back_has_its_tag_back(client: Client) -> None:
    ticket_id = await client.open_ticket()
    path = f"/queries/GetTicket?ticket_id={ticket_id}"
    tags = []
    for position in ("1", "2", "1"):
        await client.send("CloseTicket", {"ticket_id": ticket_id})
        tags.append((await client.http.get(path, headers={"Twofold-As-Of": position})).headers["etag"])
    assert tags[0] == tags[2] != tags[1]


async def test_every_node_gives_an_answer_the_same_tag(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data"
    async with served(url) as one, served(url) as other:
        await one.open_ticket()
        headers = {"Twofold-After": "1"}
        tag = (await one.http.get(COUNT, headers=headers)).headers["etag"]
        assert (await other.http.get(COUNT, headers={**headers, "If-None-Match": tag})).status_code == 304


async def test_pages_that_differ_in_their_cursor_alone_are_different_answers(client: Client) -> None:
    ticket_id = await client.open_ticket()
    path = "/queries/FindTickets?limit=1"
    last = await client.http.get(path, headers={"Twofold-After": "1"})
    higher = f"ffffffff{str(ticket_id)[8:]}"
    await client.send("OpenTicket", {"ticket_id": higher, "title": "another"})
    further = await client.http.get(path, headers={"Twofold-After": "2", "If-None-Match": last.headers["etag"]})
    assert (further.status_code, further.json()) == (200, last.json())
    assert "twofold-next" in further.headers


async def test_answers_to_posts_and_problems_have_no_tag(client: Client) -> None:
    answer = await client.ask("CountTickets", {}, {"If-None-Match": "*"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in answer.headers
    wrong = await client.http.get("/queries/BreakQuery", headers={"If-None-Match": "*"})
    assert (wrong.status_code, wrong.headers["cache-control"]) == (500, "no-store")


async def test_head_has_the_tag_of_get(client: Client) -> None:
    assert (await client.http.head(COUNT)).headers["etag"] == (await client.http.get(COUNT)).headers["etag"]
