"""The server as a process: what it acknowledged is in the history after SIGTERM, and it says why it cannot start."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest
from examples.profiles.app import UserRegistered, app

from twofold.errors import CannotListen
from twofold.http import serve
from twofold.http.server import address_of, listen

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from examples.profiles.app import app
from twofold.http import serve

serve(app, sys.argv[1], port=int(sys.argv[2]), announce=lambda address: print(address, flush=True))
print("stopped", flush=True)
"""


def start(url: str, port: int = 0, code: str = CODE) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", code, url, str(port)]
    return subprocess.Popen(
        command,
        cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def environment() -> dict[str, str]:
    """Return the environment of a process that imports what this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}


@contextlib.contextmanager
def running(url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = start(url)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate()
        yield process, address
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data"


async def until_ready(http: httpx2.AsyncClient) -> None:
    """Return when a server is ready: its projections begin when it answers already."""
    async with asyncio.timeout(60):
        while (await http.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.01)


async def stored(url: str) -> dict[UUID, int]:
    """Return the positions of the registrations in a history, by user."""
    async with app.open(url) as node:
        found = {}
        async for recorded in node.events():
            event = app.codec.decode(recorded)
            assert isinstance(event, UserRegistered)
            found[event.user_id] = recorded.position
        return found


async def test_the_server_logs_no_request(url: str) -> None:
    with running(url) as (process, address):
        async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
            await http.get("/queries/GetProfile?user_id=canary")
            await http.get("/canary")
            user = {"user_id": str(uuid4()), "name": "canary"}
            await http.post("/commands/RegisterUser", json=user, headers={"Idempotency-Key": "canary"})
        process.terminate()
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "canary" not in output + errors


async def test_a_large_upload_is_refused_while_it_comes_and_the_server_goes_on(url: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 64 * 1024

    headers = {"Content-Type": "application/json"}
    with running(url) as (_, address):
        async with httpx2.AsyncClient(base_url=address, timeout=60) as http:
            with contextlib.suppress(httpx2.TransportError):
                answer = await http.post("/commands/RegisterUser", content=parts(), headers=headers)
                assert answer.status_code == 413
            answer = await http.post("/commands/RegisterUser", content=b" " * 2_000_000, headers=headers)
            assert answer.status_code == 413
            await until_ready(http)
    assert await stored(url) == {}


def test_a_port_in_use_is_told_and_ends_the_process(url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(url, port)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 1
        assert f"CannotListen: cannot listen on 127.0.0.1:{port}: the port is in use" in errors
        with pytest.raises(CannotListen):
            serve(app, url, port=port)
    assert not (tmp_path / "data").exists(), "the storage was opened before the port"


def test_a_host_that_is_not_this_machine_is_told(url: str) -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on 192\.0\.2\.1:0"):
        serve(app, url, host="192.0.2.1", port=0)


def test_storage_that_cannot_be_opened_is_told_and_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    process = start(f"sqlite:///{tmp_path}/data")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "StoreUnavailable: cannot use" in errors
    assert not output


def test_a_port_that_is_free_is_shared_by_all_addresses_of_the_host() -> None:
    sockets = listen("localhost", 0)
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
        assert address_of("localhost", sockets) == f"http://localhost:{sockets[0].getsockname()[1]}"
        assert address_of("0.0.0.0", sockets).startswith("http://127.0.0.1:")
        assert address_of("::1", sockets).startswith("http://[::1]:")
    finally:
        for each in sockets:
            each.close()


MOUNTED = """
import asyncio, sys
from uuid import uuid4

import httpx2
from examples.profiles.app import app
from starlette.applications import Starlette
from starlette.routing import Mount
from twofold.http import asgi

async def main() -> None:
    host = Starlette(routes=[Mount("/office", asgi(app, sys.argv[1]))])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=host), base_url="http://host") as http:
        for _ in range(10):
            user = {"user_id": str(uuid4()), "name": "Ada"}
            assert (await http.post("/office/commands/RegisterUser", json=user)).status_code == 200

asyncio.run(main())
print("stopped", flush=True)
"""


async def test_a_host_that_never_closes_a_mounted_service_still_ends_with_all_work_durable(url: str) -> None:
    process = start(url, code=MOUNTED)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "stopped\n"), errors
    assert len(await stored(url)) == 10


@pytest.mark.parametrize(
    ("absent", "call", "extra"),
    [("starlette", "asgi(app)", "http"), ("starlette", "serve(app)", "http"), ("uvicorn", "serve(app)", "server")],
)
def test_a_package_that_is_not_installed_is_told_with_the_extra_that_has_it(absent: str, call: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from examples.profiles.app import app\nfrom twofold.errors import MissingExtra\n"
        "from twofold.http import asgi, serve\n"
        f"try:\n    {call}\nexcept MissingExtra as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert f"pip install 'twofold[{extra}]'" in done.stdout, done.stderr
