"""How long the ledger keeps what: removed in the background, bit by bit, beside the commands and never in their way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from twofold.errors import InvalidSetting, StoreError
from twofold.history.ledger import Prunable
from twofold.history.store import History

Keeping: TypeAlias = Literal["all", "keys"] | timedelta
"""What the ledger keeps: all; only what repeats are told by; or all for so long."""

_SHORTEST = timedelta(minutes=1)
_NOTHING = timedelta(0)
_OFTEN, _SELDOM = 1.0, 3600.0
_PAUSE = 0.01
_log = logging.getLogger("twofold.write")


class Retention:
    """What the ledger keeps, and the work that sees to it.

    Args:
        ledger: `all`; `keys`: without payloads, tags and reasons; or for how long entries are kept.
        repeats: for how long, at least, the id of an accepted command is remembered; None: for ever.

    Attributes:
        only_keys: whether payloads are not even written.

    Raises:
        InvalidSetting: one is no such thing, or less than a minute.
    """

    def __init__(self, ledger: Keeping = "all", repeats: timedelta | None = None) -> None:
        _check("ledger", ledger, ("all", "keys"))
        _check("repeats", repeats, (None,))
        self.only_keys = ledger == "keys"
        self._ages = _ages(ledger, repeats)

    async def sweep(self, history: History, now: datetime) -> int:
        """Remove all that is too old at this time; return how many batches that took.

        Between two batches it waits for longer than one takes, so that commands have the most of the disk.

        Raises:
            StoreError: something could not be removed; the next sweep goes on.
        """
        clock, batches = asyncio.get_running_loop().time, 0
        for what, age in self._ages:
            after: int | None = 0
            while after is not None:
                begun = clock()
                after = await history.prune(what, now - age, after=after)
                batches += after is not None
                await asyncio.sleep(max(_PAUSE, 2 * (clock() - begun)) if after is not None else 0)
        return batches

    async def run(self, history: History, now: Callable[[], datetime]) -> None:
        """Sweep again and again, until cancelled; return at once where all is kept."""
        if not self._ages:
            return
        shortest = min((age for _, age in self._ages if age), default=timedelta.max)
        pause = min(max(shortest.total_seconds() / 10, _OFTEN), _SELDOM)
        while True:
            try:
                await self.sweep(history, now())
            except StoreError as error:
                _log.warning("the ledger could not be pruned, it is tried again: %s", error.code)
            await asyncio.sleep(pause)


def _ages(ledger: Keeping, repeats: timedelta | None) -> list[tuple[Prunable, timedelta]]:
    if ledger == "all":
        return []
    age = ledger if isinstance(ledger, timedelta) else None
    # What was written while more was kept goes too.
    ages: list[tuple[Prunable, timedelta]] = [("contents", age or _NOTHING)]
    if age is not None or repeats is not None:
        ages.append(("refusals", age or repeats or _NOTHING))
    if repeats is not None:
        ages.append(("claims", max(age or _NOTHING, repeats)))
    return ages


def _check(name: str, value: object, words: tuple[object, ...]) -> None:
    if isinstance(value, timedelta):
        if value < _SHORTEST:
            raise InvalidSetting(setting=name, problem=f"expected a minute or longer, found {value}")
    elif value not in words:
        expected = " or ".join(map(repr, words))
        raise InvalidSetting(setting=name, problem=f"expected {expected}, or a timedelta, found {value!r}")
