"""Request bodies: bounded in size, time and depth before they are parsed."""

from __future__ import annotations

import asyncio
import re

from starlette.types import Receive

from twofold.http.headers import Headers, media_type
from twofold.http.problem import Refused

JSON = "application/json"
DEPTH = 100
# The closing quote is optional: text without one must not be searched again from each quote in it.
_strings = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_others = bytes(set(range(256)) - set(b"[]{}"))


class ClientGone(Exception):
    """The client has closed the connection; nobody waits for an answer."""


async def json_body(headers: Headers, receive: Receive, *, limit: int, timeout: float) -> bytes:
    """Return the body of a request that sends JSON.

    Nothing but JSON is taken: a browser sends forms and plain text to any site without asking it, but JSON only
    after a preflight that this service never grants, so that a foreign page cannot send commands for its reader.

    Args:
        headers: of the request.
        receive: gives the body's parts.
        limit: how many bytes it may have; no more are kept, however it is sent.
        timeout: within how many seconds it must have come.

    Raises:
        Refused: it is of another type, too large, too slow, or nested too deeply.
        ClientGone: the connection was closed before the end of the body.
    """
    declared = b""
    for name, value in headers:
        if name == b"content-length":
            declared = value
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise Refused("wrong_content_type", "expected a body without Content-Encoding, found an encoded one")
    found = media_type(headers)
    if found != JSON:
        raise Refused("wrong_content_type", f"expected Content-Type {JSON}, found {found[:100] or 'none'}")
    if len(declared) > 18 or (declared.isdigit() and int(declared) > limit):
        raise too_large(limit)
    try:
        async with asyncio.timeout(timeout):
            body = await _received(receive, limit)
    except TimeoutError as error:
        raise Refused("too_slow", f"expected the whole body within {timeout:g} s") from error
    refuse_depth(body)
    return body


async def _received(receive: Receive, limit: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False) and len(body) <= limit:
        return body
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        if part:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


def too_large(limit: int) -> Refused:
    """Return the refusal of a body that has more bytes than are taken."""
    return Refused("too_large", f"expected a body of at most {limit} bytes", limit=limit)


def refuse_depth(body: bytes) -> None:
    """Refuse JSON that is nested deeper than any parser should be asked to follow.

    Raises:
        Refused: it has more than `DEPTH` levels.
    """
    if body.count(b"[") + body.count(b"{") <= DEPTH:
        return
    depth = 0
    for sign in _strings.sub(b"", body).translate(None, _others):
        if sign in b"[{":
            depth += 1
            if depth > DEPTH:
                raise Refused("too_deep", f"expected JSON of at most {DEPTH} levels", limit=DEPTH)
        else:
            depth -= 1
