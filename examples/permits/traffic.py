"""Commands over HTTP: a small pool of connections that are kept open, each case always on the same one."""

import http.client
import json
import queue
import threading
import time
import zlib
from collections import Counter
from collections.abc import Mapping

import msgspec

from examples.permits.log import Line

_TIMEOUT = 30.0
_PATIENCE = 60.0


class TrafficError(Exception):
    """The server answered what no client of it should ever see; the message holds its answer."""


class Traffic:
    """Sends commands from a few threads and counts the answers.

    A connection waits for each answer before it sends the next command, so that the order of a case holds. What was
    sent and not answered, because a connection broke, is sent again: its `Idempotency-Key` makes it count once.

    Args:
        host, port: the server.
        connections: how many there are; as many commands are under way at most.
    """

    def __init__(self, host: str, port: int, connections: int = 8) -> None:
        self.position = 0
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.problem: Exception | None = None
        self._address = (host, port)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._queues: list[queue.Queue[Line]] = [queue.Queue(maxsize=50) for _ in range(connections)]
        self._threads = [threading.Thread(target=self._run, args=(each,), daemon=True) for each in self._queues]
        for thread in self._threads:
            thread.start()

    def send(self, line: Line, timeout: float) -> bool:
        """Hand a command to its case's connection; False if it is `timeout` seconds behind."""
        try:
            self._queues[zlib.crc32(line.case_id.encode()) % len(self._queues)].put(line, timeout=timeout)
        except queue.Full:
            return False
        return True

    def stop(self) -> None:
        """End after the commands that are under way; those that wait are dropped."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_TIMEOUT)

    def _run(self, waiting: queue.Queue[Line]) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT)
        try:
            while not self._stopping.is_set():
                try:
                    line = waiting.get(timeout=0.1)
                except queue.Empty:
                    continue
                self._deliver(connection, line)
        except Exception as error:  # noqa: BLE001 - it ends the demo, which tells it
            self.problem = self.problem or error
        finally:
            connection.close()

    def _deliver(self, connection: http.client.HTTPConnection, line: Line) -> None:
        patience = time.monotonic() + _PATIENCE
        while not self._stopping.is_set():
            try:
                status, body = _post(connection, line)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                status, body = 503, {"detail": f"{type(error).__name__}: {error}"}
            if status != 503:
                self._count(status, body)
                break
            if time.monotonic() > patience:
                raise TrafficError(f"no answer but this for {_PATIENCE:g} s: {body}")
            self._stopping.wait(0.1)

    def _count(self, status: int, body: Mapping[str, object]) -> None:
        with self._lock:
            if status == 200:
                self.accepted += 1
                self.position = max(self.position, int(str(body["position"])))
            elif status == 409:
                self.rejected[str(body.get("code"))] += 1
            else:
                raise TrafficError(f"the server answered {status}: {body}")


def _post(connection: http.client.HTTPConnection, line: Line) -> tuple[int, Mapping[str, object]]:
    connection.request(
        "POST",
        f"/commands/{type(line.command).__name__}",
        msgspec.json.encode(line.command),
        {"Content-Type": "application/json", "Idempotency-Key": str(line.command_id)},
    )
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")
