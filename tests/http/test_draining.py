"""A server that is told to end while it works: every sender has an answer, and what it was told is so."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.http.client import problem
from tests.http.test_server import CODE, ROOT, environment, start, stored

pytestmark = pytest.mark.anyio

ABRUPT = """
import uvicorn
from twofold.http import server

server._Server.handle_exit = uvicorn.Server.handle_exit
"""


class Told:
    """What the senders were told."""

    def __init__(self) -> None:
        self.acknowledged: dict[UUID, int] = {}
        self.refused: set[UUID] = set()
        self.unanswered: set[UUID] = set()

    async def register(self, http: httpx2.AsyncClient) -> None:
        """Send one command after another until one is refused."""
        while True:
            user_id = uuid4()
            try:
                answer = await http.post("/commands/RegisterUser", json={"user_id": str(user_id), "name": "Ada"})
            except httpx2.ConnectError:
                # Nobody listens any more, so nothing was sent.
                self.refused.add(user_id)
                return
            except httpx2.TransportError:
                self.unanswered.add(user_id)
                return
            if answer.status_code == 200:
                self.acknowledged[user_id] = answer.json()["position"]
            else:
                assert (answer.status_code, problem(answer)["code"]) == (503, "node_closed")
                assert answer.headers["retry-after"]
                self.refused.add(user_id)
                return


async def stopped_under_load(process: subprocess.Popen[str], number: signal.Signals, *, senders: int = 20) -> Told:
    """Let many send, stop the server in the middle, and return what they were told."""
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    told = Told()
    async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
        tasks = [asyncio.create_task(told.register(http)) for _ in range(senders)]
        deadline = time.monotonic() + 60
        while len(told.acknowledged) < 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        process.send_signal(number)
        await asyncio.gather(*tasks)
    _, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("way", ["serve", "twofold run"])
async def test_every_sender_has_an_answer_and_it_is_true(tmp_path: Path, number: signal.Signals, way: str) -> None:
    url = f"sqlite:///{tmp_path}/data"
    process = start(url) if way == "serve" else run(url)
    try:
        told = await stopped_under_load(process, number)
    finally:
        process.kill()
        process.communicate()
    assert not told.unanswered
    assert len(told.refused) == 20
    assert await stored(url) == told.acknowledged


def run(url: str) -> subprocess.Popen[str]:
    words = ["-m", "twofold.cli", "run", "examples.profiles.app:app", "--url", url, "--port", "0"]
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


async def test_a_planted_bug_is_found_a_server_that_closes_connections_between_two_requests(tmp_path: Path) -> None:
    for attempt in range(10):
        url = f"sqlite:///{tmp_path}/{attempt}"
        process = start(url, code=ABRUPT + CODE)
        try:
            told = await stopped_under_load(process, signal.SIGTERM, senders=50)
        finally:
            process.kill()
            process.communicate()
        found = await stored(url)
        # Nobody is lied to even then.
        assert {user: found.get(user) for user in told.acknowledged} == told.acknowledged
        if told.unanswered:
            return
    pytest.fail("ten servers left nobody without an answer")


async def test_a_stopping_server_is_not_ready_and_still_answers_queries(tmp_path: Path) -> None:
    process = start(f"sqlite:///{tmp_path}/data")
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
            assert (await http.get("/health/ready")).status_code == 200
            # The open connection holds it for a moment.
            process.send_signal(signal.SIGTERM)
            answers: list[httpx2.Response] = []
            while not answers or answers[-1].status_code == 200:
                answers.append(await http.get("/health/ready"))
            assert (answers[-1].status_code, problem(answers[-1])["code"]) == (503, "not_ready")
            assert "stopping" in problem(answers[-1])["detail"]
            assert answers[-1].headers["connection"] == "close"
            query = await http.get("/queries/GetProfile", params={"user_id": str(uuid4())})
            assert (query.status_code, query.json()) == (200, None)
        assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.communicate()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    process = start(f"sqlite:///{tmp_path}/data")
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        async with httpx2.AsyncClient(base_url=address) as http:
            assert (await http.get("/health/live")).status_code == 200
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.communicate()
