"""Where the server is, and under which names read models are kept there."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from twofold.errors import InvalidAddress

# What this engine calls a URL's scheme, and what the driver does.
_SCHEMES = {
    "valkey": "valkey", "valkeys": "valkeys", "redis": "valkey", "rediss": "valkeys",
    "valkey+unix": "unix", "redis+unix": "unix",
}  # fmt: skip
_EXPECTED = "expected valkey://[USER:PASSWORD@]HOST[:PORT][/DATABASE], valkeys://… for TLS, or valkey+unix:///SOCKET"
_SHOWABLE = re.compile(r"[\w.\-:/\[\]]*")


class Address(msgspec.Struct, frozen=True):
    """A storage URL, read.

    Args:
        shown: the URL without user, password and options: what errors and logs may say.
        url: what the driver is given; it may hold a password.
        prefix: what the names of all keys begin with.
        deadline: how many seconds any one use of the server may take.
        connections: how many connections there may be.
    """

    shown: str
    url: str
    prefix: str = "twofold"
    deadline: float = 10.0
    connections: int = 16

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"


def read_address(url: str) -> Address:
    """Return what a URL says. The options `prefix=`, `deadline=` and `connections=` are Twofold's; others the driver's.

    Raises:
        InvalidAddress: it is no such URL, or an option has a value that it cannot have.
    """
    scheme, _, rest = url.partition("://")
    bare = rest.rpartition("@")[2].partition("?")[0].partition("#")[0]
    shown = f"{scheme}://{bare}" if _SHOWABLE.fullmatch(bare) else f"{scheme}://…"
    if scheme not in _SCHEMES or not url.isprintable() or (scheme.endswith("+unix") and not bare.startswith("/")):
        raise InvalidAddress(address=shown, problem=_EXPECTED)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not scheme.endswith("+unix") and (parts.port == 0 or not re.fullmatch(r"/?\d*", parts.path)):
            raise ValueError("no port or database")
    except ValueError:
        raise InvalidAddress(address=shown, problem=_EXPECTED) from None
    prefix = options.pop("prefix", "twofold")
    if not re.fullmatch(r"[\w.\-]{1,100}", prefix, re.ASCII):
        raise InvalidAddress(address=shown, problem="prefix is of letters, digits, `.`, `-` and `_`")
    deadline = _number(shown, "deadline", options.pop("deadline", "10"), 0.1, 3600)
    connections = _number(shown, "connections", options.pop("connections", "16"), 1, 1000)
    if connections % 1:
        raise InvalidAddress(address=shown, problem="connections is a whole number")
    driver = urlunsplit(parts._replace(scheme=_SCHEMES[scheme], query=urlencode(options)))
    return Address(shown, driver, prefix, deadline, int(connections))


def _number(shown: str, name: str, text: str, least: float, most: float) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) or not least <= float(text) <= most:
        raise InvalidAddress(address=shown, problem=f"{name} is a number from {least:g} to {most:g}")
    return float(text)
