"""A load generator, run as a process of its own: keeps so many HTTP connections busy and measures every answer.

    python -m bench.http_load PORT WORK COUNT CONNECTIONS

WORK is `RegisterUser`, `UpdateProfile` or `GetProfile`; the user ids come on standard input, on one line.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator, Sequence

import msgspec

from bench.child import say
from bench.workload import BIO

_HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n"


def requests(work: str, users: Sequence[str], count: int) -> Iterator[bytes]:
    """Yield whole requests; each command has an id of its own."""
    choose = random.Random(20).choice
    for number in range(count):
        user = users[number] if work == "RegisterUser" else choose(users)
        if work == "GetProfile":
            yield _HEAD.format(method="GET", path=f"/queries/GetProfile?user_id={user}", fields="").encode()
            continue
        fields = {"user_id": user, "name": f"User at {number}"}
        if work == "UpdateProfile":
            fields["bio"] = BIO.format(number)
        body = msgspec.json.encode(fields)
        headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        yield _HEAD.format(method="POST", path=f"/commands/{work}", fields=headers).encode() + body


class Connection(asyncio.Protocol):
    """Sends one request after another on one connection; notes how long each answer took."""

    def __init__(self, waiting: Iterator[bytes], times: list[float], statuses: dict[int, int]) -> None:
        self._waiting = waiting
        self._times = times
        self._statuses = statuses
        self._buffer = b""
        self._sent = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._times.append(time.perf_counter() - self._sent)
        status = int(head[9:12])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        request = next(self._waiting, None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


async def run(port: int, work: str, users: Sequence[str], count: int, connections: int) -> dict[str, object]:
    """Return the seconds, the median and the 99th percentile in milliseconds, and the answers by status."""
    waiting = iter(list(requests(work, users, count)))
    times: list[float] = []
    statuses: dict[int, int] = {}
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Connection(waiting, times, statuses), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in opened))
    seconds = time.perf_counter() - started
    times.sort()
    return {
        "seconds": seconds,
        "median": times[len(times) // 2] * 1_000,
        "p99": times[int(len(times) * 0.99)] * 1_000,
        "statuses": {str(status): number for status, number in statuses.items()},
    }


if __name__ == "__main__":
    import uvloop

    given = sys.stdin.readline().split()
    say(uvloop.run(run(int(sys.argv[1]), sys.argv[2], given, int(sys.argv[3]), int(sys.argv[4]))))
