"""The server: uvicorn around a service, from the first signal to the last durable commit."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn

from twofold.errors import CannotListen
from twofold.http.service import Service

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LINGER = 0.5
_log = logging.getLogger("twofold.http")


def run(service: Service, *, host: str, port: int, grace: float, announce: Callable[[str], None] | None = None) -> None:
    """Serve until a signal comes; see `twofold.http.serve`."""
    _log_somewhere()
    sockets = listen(host, port)
    try:
        config = uvicorn.Config(
            service,
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=max(1, round(grace)),
        )
        address = address_of(host, sockets)
        server = _Server(config, service, lambda: _announced(service, address, announce))
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(service, server, sockets))
    finally:
        for each in sockets:
            each.close()


def listen(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of a host, bound to a port.

    Raises:
        CannotListen: the port is taken or not allowed, or the host is not this machine.
    """
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            if port == 0 and bound:
                # All addresses of the host share the port that the first of them was given.
                address = (address[0], bound[0].getsockname()[1], *address[2:])
            bound.append(_bound(socket.socket(family, kind, protocol), address))
    except OSError as error:
        for each in bound:
            each.close()
        problem = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise CannotListen(host=host, port=port, problem=problem) from error
    return bound


def address_of(host: str, sockets: Sequence[socket.socket]) -> str:
    """Return the address that a browser on this machine can open."""
    port = sockets[0].getsockname()[1]
    here = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


class _Server(uvicorn.Server):
    """A server that tells when it answers, and lets its clients know before it ends."""

    def __init__(self, config: uvicorn.Config, service: Service, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._tell = started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._tell()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        loop, self._loop = self._loop, None
        if loop is None:
            # It has not begun to serve, or this is the second signal: there is no patience left.
            super().handle_exit(sig, frame)
        else:
            loop.call_soon_threadsafe(self._begin_to_drain, sig)

    def _begin_to_drain(self, sig: int) -> None:
        self._draining = asyncio.create_task(self._drain(sig), name="twofold-drain")

    async def _drain(self, sig: int) -> None:
        """Answer every request for a moment more, and close its connection with the answer.

        A connection that is closed between two requests swallows the one that is on its way: its sender would have no
        answer. So clients are asked to close theirs before the server does.
        """
        close = (b"connection", b"close")
        self.config.encoded_headers = [*self.config.encoded_headers, close]
        self.server_state.default_headers = [*self.server_state.default_headers, close]
        self._service.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while self.server_state.connections:  # noqa: ASYNC110 - nobody tells when the last one closes
                    await asyncio.sleep(_LINGER / 50)
        super().handle_exit(sig, None)


async def _serve(service: Service, server: _Server, sockets: list[socket.socket]) -> None:
    # uvicorn raises the signal that ended it once more, which must not end the process before the node is closed.
    with _caught(server):
        async with service.lifespan():
            await server.serve(sockets)


@contextlib.contextmanager
def _caught(server: _Server) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        server.handle_exit(number, frame)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announced(service: Service, address: str, announce: Callable[[str], None] | None) -> None:
    if announce is not None:
        announce(address)
    else:
        _log.info("%s answers at %s, its documentation is at %s/docs", service.app.name, address, address)


def _bound(each: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        if os.name == "posix":
            # So that a server can be started again at once. Elsewhere the option would let two servers share a port.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if each.family == socket.AF_INET6:
            each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        each.bind(address)
        each.listen(2048)
        each.setblocking(False)
    except OSError:
        each.close()
        raise
    return each


def _log_somewhere() -> None:
    # Whoever has set up logging keeps it; else errors and the address go to standard error.
    logger = logging.getLogger("twofold")
    if not logging.getLogger().handlers and not logger.handlers:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logger.setLevel(logging.INFO)
