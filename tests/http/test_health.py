"""/health/live and /health/ready: what a supervisor sees."""

import asyncio
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import pytest

from tests.http.client import Client, problem, served, to
from tests.http.tickets import TicketId, app
from twofold import App, Command, Event, ReadModel, Tag
from twofold.http import asgi

pytestmark = pytest.mark.anyio


class Paint(Command):
    ticket_id: TicketId
    colour: str


class Painted(Event, name="TicketOpened"):
    """The same event as another version of the application has it, which this one cannot read."""

    ticket_id: TicketId
    colour: str


newer = App("a newer version")


@newer.command
def paint(command: Paint) -> Painted:
    return Painted(command.ticket_id, command.colour)


async def test_a_service_that_is_up_is_live_and_ready(client: Client) -> None:
    assert (await client.http.get("/health/live")).json() == {"status": "live"}
    await client.open_ticket()
    await client.node.caught_up()
    answer = await client.http.get("/health/ready")
    assert answer.status_code == 200
    [model] = answer.json()["models"]
    assert model == {"name": "Ticket", "live": True, "checkpoint": 1, "lag": 0, "parked": 0, "stopped": False}


async def test_live_asks_nothing_of_the_storage(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    async with to(asgi(app, f"sqlite:///{tmp_path}/data")) as http:
        assert (await http.get("/health/live")).status_code == 200


async def test_a_service_whose_storage_cannot_be_opened_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    async with to(asgi(app, f"sqlite:///{tmp_path}/data")) as http:
        answer = await http.get("/health/ready")
        told = problem(answer)
        assert (answer.status_code, told["code"]) == (503, "store_unavailable")
        assert str(tmp_path) not in answer.text


async def test_a_read_model_that_is_being_built_makes_the_service_not_ready(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data"
    async with app.open(url, roles=["write", "read"]) as node, to(asgi(app, node=node)) as http:
        answer = await http.get("/health/ready")
        told = problem(answer)
        assert (answer.status_code, told["code"]) == (503, "not_ready")
        assert told["reasons"] == ["read model Ticket is being built: position 0 of 0"]
        assert answer.headers["retry-after"] == "1"
        async with app.open(url, roles=["project"]), asyncio.timeout(30):
            while (await http.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.01)


async def test_a_projection_that_does_not_go_on_is_a_reason_but_its_problem_is_not_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data"
    async with served(url) as client:
        await client.open_ticket()
        await client.node.caught_up()
        async with newer.open(url, roles=["write"]) as node:
            await node.send(Paint(uuid4(), "secret red"))
        async with asyncio.timeout(30):
            while (answer := await client.http.get("/health/ready")).status_code == 200:
                await asyncio.sleep(0.01)
        told = problem(answer)
        assert told["reasons"] == ["the projection of Ticket does not go on at position 1"]
        assert told["models"][0]["stopped"]
        assert "colour" not in answer.text


async def test_a_parked_key_is_reported_and_leaves_the_service_ready(client: Client) -> None:
    await client.open_ticket(title="poison")
    await client.open_ticket()
    await client.node.caught_up()
    answer = await client.http.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["models"][0]["parked"] == 1


class Weigh(Command):
    crate: Annotated[str, Tag("crate")]
    grams: int


class Weighed(Event):
    crate: Annotated[str, Tag("crate")]
    grams: int


class Crate(ReadModel, key="crate", max_parked=1):
    crate: str

    def evolve(self, event: Weighed) -> None:
        if event.grams < 0:
            raise ValueError("nothing weighs so little")


crates = App("crates")
crates.read_model(Crate)


@crates.command
def weigh(command: Weigh) -> Weighed:
    return Weighed(command.crate, command.grams)


async def test_a_projection_that_may_park_no_more_keys_makes_the_service_not_ready_until_they_are_fewer() -> None:
    async with crates.open("memory:") as node, to(asgi(crates, node=node)) as http, asyncio.timeout(30):
        await node.send(Weigh("a", -1))
        await node.caught_up()
        assert (await http.get("/health/ready")).status_code == 200, "one parked key takes nothing away from the others"
        await node.send(Weigh("b", -1))
        while (answer := await http.get("/health/ready")).status_code == 200:
            await asyncio.sleep(0)
        assert problem(answer)["reasons"] == ["the projection of Crate does not go on at position 1"]
        assert "more than 1 keys of read model Crate would be parked" in str((await node.models())[0].problem)
        assert await node.drop_parked(Crate, "a") == 1
        while (answer := await http.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.01)
