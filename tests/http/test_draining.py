"""A server that is told to end while it works: every sender has an answer, and what it was told is so."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.http.client import problem
from tests.http.test_server import CODE, ROOT, environment, start, stored, until_ready

pytestmark = pytest.mark.anyio

# It waits longer for those who are slow to leave when they are asked to.
PATIENT = """
from twofold.http import server

server._LINGER = 10
"""
# It waits for those who do not leave.
ENDLESS = """
from twofold.http import server

server._LINGER = 3600
"""
ABRUPT = """
import sys
import threading
import uvicorn
from twofold.http import server


class Abrupt(server._Server):
    '''Closes its connections when it is told to, between two requests.'''

    def handle_exit(self, sig, frame):
        def stop():
            sys.stdin.readline()
            uvicorn.Server.handle_exit(self, sig, None)

        threading.Thread(target=stop).start()

    async def shutdown(self, sockets=None):
        print("closing", flush=True)
        sys.stdin.readline()
        await super().shutdown(sockets)


server._Server = Abrupt
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


async def stopped_under_load(process: subprocess.Popen[str], number: signal.Signals) -> Told:
    """Let many send, stop the server in the middle, and return what they were told."""
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    told = Told()
    # The open connection holds it, lest it be gone while all others are about to come back.
    _, holding = await asyncio.open_connection(urlsplit(address).hostname, urlsplit(address).port)
    async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
        tasks = [asyncio.create_task(told.register(http)) for _ in range(20)]
        deadline = time.monotonic() + 60
        while len(told.acknowledged) < 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        process.send_signal(number)
        await asyncio.gather(*tasks)
    holding.close()
    _, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("way", ["serve", "twofold run", "twofold run --role write --role http"])
async def test_every_sender_has_an_answer_and_it_is_true(tmp_path: Path, number: signal.Signals, way: str) -> None:
    url = f"sqlite:///{tmp_path}/data"
    process = start(url, code=PATIENT + CODE) if way == "serve" else run(url, *way.split()[2:])
    try:
        told = await stopped_under_load(process, number)
    finally:
        process.kill()
        process.communicate()
    assert not told.unanswered
    assert len(told.refused) == 20
    assert await stored(url) == told.acknowledged


def run(url: str, *roles: str) -> subprocess.Popen[str]:
    code = f"{PATIENT}\nimport runpy\nrunpy.run_module('twofold.cli', run_name='__main__')"
    words = ["run", "examples.profiles.app:app", "--url", url, "--port", "0", *roles]
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


class Sender:
    """Sends over one connection, and sees every byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self) -> None:
        """Leave a command with the server's machine."""
        body = json.dumps({"user_id": str(uuid4()), "name": "Ada"})
        head = ("POST /commands/RegisterUser HTTP/1.1", "host: here", "content-type: application/json")
        self._writer.write("\r\n".join([*head, f"content-length: {len(body)}", "", body]).encode())
        await self._writer.drain()

    async def answer(self) -> tuple[int, bool]:
        """Return the status of the answer, and whether more may be sent; status 0 is no answer."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            await self._reader.readexactly(int(head.split("content-length: ")[1].split()[0]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, False
        return int(head.split()[1]), "connection: close" not in head

    def close(self) -> None:
        self._writer.close()


async def told_between_two_requests(process: subprocess.Popen[str], patience: int) -> list[int]:
    """Return the statuses that a sender is answered while the server ends, as long as it is not asked to close.

    A server that has not asked for it after so many answers is let close between two of them.
    """
    assert process.stdout is not None
    assert process.stdin is not None
    where = urlsplit(process.stdout.readline().split()[-1])
    sender = Sender(*await asyncio.open_connection(where.hostname, where.port))
    await sender.send()
    assert await sender.answer() == (200, True)
    process.send_signal(signal.SIGTERM)
    statuses: list[int] = []
    goes_on = True
    while goes_on and len(statuses) < patience:
        await sender.send()
        status, goes_on = await sender.answer()
        statuses.append(status)
    if goes_on:
        process.stdin.write("\n")
        process.stdin.flush()
        assert await asyncio.to_thread(process.stdout.readline) == "closing\n"
        await sender.send()
        process.stdin.write("\n")
        process.stdin.flush()
        statuses.append((await sender.answer())[0])
    sender.close()
    _, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, errors
    return statuses


async def test_a_sender_is_asked_to_close_its_connection_before_the_server_does(tmp_path: Path) -> None:
    process = start(f"sqlite:///{tmp_path}/data", code=PATIENT + CODE)
    try:
        assert 0 not in await told_between_two_requests(process, patience=100_000)
    finally:
        process.kill()
        process.communicate()


async def test_a_planted_bug_is_found_a_server_that_closes_connections_between_two_requests(tmp_path: Path) -> None:
    process = start(f"sqlite:///{tmp_path}/data", code=ABRUPT + CODE)
    try:
        assert await told_between_two_requests(process, patience=10) == [200] * 10 + [0]
    finally:
        process.kill()
        process.communicate()


async def test_a_stopping_server_is_not_ready_and_still_answers_queries(tmp_path: Path) -> None:
    process = start(f"sqlite:///{tmp_path}/data", code=PATIENT + CODE)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        # The open connection holds it until all has been asked.
        _, holding = await asyncio.open_connection(urlsplit(address).hostname, urlsplit(address).port)
        async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
            await until_ready(http)
            process.send_signal(signal.SIGTERM)
            answers: list[httpx2.Response] = []
            while not answers or answers[-1].status_code == 200:
                answers.append(await http.get("/health/ready"))
            assert (answers[-1].status_code, problem(answers[-1])["code"]) == (503, "not_ready")
            assert "stopping" in problem(answers[-1])["detail"]
            assert answers[-1].headers["connection"] == "close"
            query = await http.get("/queries/GetProfile", params={"user_id": str(uuid4())})
            assert (query.status_code, query.json()) == (200, None)
        holding.close()
        assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.communicate()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    process = start(f"sqlite:///{tmp_path}/data", code=ENDLESS + CODE)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
            assert (await http.get("/health/live")).status_code == 200
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.communicate()
