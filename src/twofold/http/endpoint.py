"""What every route is made of, and the answers that are the same everywhere."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope

from twofold import wire
from twofold.errors import InvalidMessage
from twofold.http.headers import Headers
from twofold.http.problem import Refused

_PLAIN: Headers = [
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
]
_encode = msgspec.json.Encoder().encode


class Request:
    """One request, as an endpoint needs it: `root` is the prefix under which the service is mounted."""

    __slots__ = ("headers", "receive", "root", "scope")

    def __init__(self, scope: Scope, receive: Receive, root: str) -> None:
        self.scope = scope
        self.receive = receive
        self.headers: Headers = list(scope["headers"])
        self.root = root


class Endpoint(Protocol):
    """Answers requests of one path."""

    @property
    def doing(self) -> str:
        """What it does, for the log."""
        ...

    @property
    def methods(self) -> tuple[str, ...]:
        """Which methods it answers."""
        ...

    async def answer(self, request: Request) -> Response:
        """Answer a request of one of the methods.

        Raises:
            ClientGone: nobody waits for an answer.
            Exception: whatever is to be told as a problem.
        """
        ...


class Limits(msgspec.Struct, frozen=True):
    """How large a body may be, in bytes, and how long it may take to come, in seconds."""

    body: int
    seconds: float


def json_answer(content: Any, *more: tuple[bytes, bytes]) -> Response:
    """Return a value as JSON, with status 200.

    Raises:
        TypeError, ValueError: it has no JSON form.
    """
    return encoded_answer(encoded(content), *more)


def encoded(content: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        TypeError, ValueError: it has no JSON form.
    """
    return _encode(content)


def encoded_answer(body: bytes, *more: tuple[bytes, bytes], cache: bytes = b"no-store") -> Response:
    """Return JSON that is encoded already, with status 200; `cache` is its `Cache-Control`."""
    answer = Response()
    answer.body = body
    answer.raw_headers = [*_PLAIN, (b"cache-control", cache), (b"content-length", b"%d" % len(body)), *more]
    return answer


def not_modified(*more: tuple[bytes, bytes], cache: bytes) -> Response:
    """Return the answer that the client has it already, with status 304."""
    answer = Response(status_code=304)
    answer.raw_headers = [(b"cache-control", cache), *more]
    return answer


def message_in(kind: type[wire.M], body: bytes) -> wire.M:
    """Return the message that a body holds.

    Raises:
        Refused: it is not JSON.
        InvalidMessage: it is, but not of this message.
    """
    try:
        return wire.decode(kind, body)
    except InvalidMessage as error:
        cause = error.__cause__
        malformed = isinstance(cause, msgspec.DecodeError) and not isinstance(cause, msgspec.ValidationError)
        if malformed or isinstance(cause, UnicodeError):
            raise Refused("not_json", f"expected a JSON object in UTF-8, found: {cause}") from error
        raise
