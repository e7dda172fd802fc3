"""Where the database is, and as whom each role of a node connects to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from twofold.errors import InvalidAddress

DatabaseRole: TypeAlias = Literal["writer", "projector", "reader"]
SCHEMES = ("postgresql://", "postgres://")
_PLACES = ("host", "hostaddr", "port", "dbname", "database", "service")

_SHOWABLE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.\-,]*)(:\d+)?(,[\w.\-]+(:\d+)?)*(/[\w.\-]*)?")


class Address(msgspec.Struct, frozen=True):
    """A storage URL, read.

    Args:
        shown: the URL without user, password and options: what errors and logs may say.
        url: what the driver is given; it may hold a password.
        urls: URLs of their own for some of the roles, from the environment.
        notify: False to find news by polling alone.
        deadline: how many seconds any one use of the database may take.
        connections: how many connections a role may have.
    """

    shown: str
    url: str
    urls: Mapping[DatabaseRole, str]
    notify: bool = True
    deadline: float = 10.0
    connections: int = 8

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    def url_of(self, role: DatabaseRole) -> str:
        """Return the URL by which a role connects."""
        return self.urls.get(role, self.url)

    @property
    def reads_elsewhere(self) -> bool:
        """Whether readers may be connected to another server than projectors: to a replica, as likely as not."""
        place = _place(self.url_of("reader"))
        return place != _place(self.url_of("projector")) or "," in "".join(place)

    def sets(self, role: DatabaseRole) -> bool:
        """Tell whether a connection takes the role with SET ROLE, because it logs in as somebody else."""
        return role not in self.urls


def read_address(url: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Return what a URL and the environment say.

    `TWOFOLD_WRITER_URL`, `TWOFOLD_PROJECTOR_URL` and `TWOFOLD_READER_URL` win for their roles. The options
    `notify=off`, `deadline=SECONDS` and `connections=NUMBER` are Twofold's own; all others are the driver's.

    Raises:
        InvalidAddress: it is no such URL, or an option has a value that it cannot have.
    """
    url, options = _split(url)
    urls: dict[DatabaseRole, str] = {}
    roles: tuple[DatabaseRole, ...] = ("writer", "projector", "reader")
    for role in roles:
        own = environment.get(f"TWOFOLD_{role.upper()}_URL")
        if own:
            urls[role], _ = _split(own)
    return Address(
        shown=shown(url),
        url=url,
        urls=urls,
        notify=_notify(url, options.get("notify", "on")),
        deadline=_number(url, "deadline", options.get("deadline", "10"), 0.1, 3600.0),
        connections=_whole_number(url, "connections", options.get("connections", "8"), 1, 1000),
    )


def shown(url: str) -> str:
    """Return a URL without user, password and options; without anything where these cannot be told apart."""
    place = url.partition("://")[2].rpartition("@")[2].partition("?")[0]
    return f"postgresql://{place}" if _SHOWABLE.fullmatch(place) else "postgresql://…"


def _split(url: str) -> tuple[str, dict[str, str]]:
    if not url.startswith(SCHEMES):
        raise InvalidAddress(address=shown(url), problem="expected postgresql://[USER@]HOST[:PORT]/DATABASE")
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        # Not chained: its message may hold a piece of the password.
        raise InvalidAddress(address=shown(url), problem="the URL cannot be read") from None
    if parts.netloc.count("@") > 1 or parts.fragment:
        problem = "in a user name or password write %40 for @, %23 for #, %2F for / and %3F for ?"
        raise InvalidAddress(address=shown(url), problem=problem)
    own = {name: value for name, value in given if name in ("notify", "deadline", "connections")}
    query = urlencode([(name, value) for name, value in given if name not in own])
    return urlunsplit(parts._replace(query=query)), own


def _place(url: str) -> tuple[str, ...]:
    """Return what tells where a URL leads: hosts, ports and database, wherever in it they are."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    return (parts.netloc.rpartition("@")[2], parts.path, *(given.get(name, "") for name in _PLACES))


def _notify(url: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise InvalidAddress(address=shown(url), problem="notify is on or off")
    return text == "on"


def _number(url: str, name: str, text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise InvalidAddress(address=shown(url), problem=f"{name} is a number from {least:g} to {most:g}")
    return value


def _whole_number(url: str, name: str, text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise InvalidAddress(address=shown(url), problem=f"{name} is a whole number from {least} to {most}")
    return int(text)
