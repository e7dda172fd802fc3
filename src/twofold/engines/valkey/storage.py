"""`valkey://…`: a server as storage of a node's read models."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeAlias

from twofold.engines.valkey.address import read_address
from twofold.engines.valkey.server import Server
from twofold.engines.valkey.views import ValkeyViews
from twofold.errors import InvalidAddress

Kind: TypeAlias = Literal["history", "views"]


class ValkeyStorage:
    """A Valkey or Redis server. Until something of it is opened, nothing is connected to.

    Args:
        url: see `read_address`.

    Raises:
        InvalidAddress: the URL is not understood.
    """

    def __init__(self, url: str) -> None:
        self._address = read_address(url)
        self.shown = self._address.shown
        # The driver says what it does not understand when it makes a connection, before it connects.
        Server(self._address)

    async def history(self, roles: Collection[str]) -> None:
        """Refuse: what is acknowledged has to outlive a power cut.

        Raises:
            InvalidAddress: always.
        """
        problem = "it keeps read models, no history; give it as views=, beside a history on SQLite or PostgreSQL"
        raise InvalidAddress(address=self.shown, problem=problem)

    async def snapshots(self) -> None:
        """Return nothing: snapshots are kept beside a history."""

    async def views(self, roles: Collection[str]) -> ValkeyViews:
        """Connect.

        Raises:
            StoreUnavailable: the server cannot be worked with.
        """
        views = ValkeyViews(Server(self._address))
        try:
            await views.open()
        except BaseException:
            await views.close()
            raise
        return views

    async def stored(self) -> frozenset[Kind]:
        """Return that there are read models, whether or not any was projected: nothing is made to look at them."""
        return frozenset(("views",))
