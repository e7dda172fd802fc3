"""Which events `events` and `tail` show."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import Parameter, validators

from twofold.cli.status import CommandLineError
from twofold.history.record import Recorded
from twofold.node import Node

_DURATION = re.compile(r"(?P<count>\d{1,9})(?P<unit>[smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@Parameter(name="*", negative=())
@dataclass(frozen=True, kw_only=True)
class Filters:
    """What is asked for on the command line; everything given must hold.

    Attributes:
        type: Events of this type only; repeat it for several types.
        tag: Events that carry this tag, `kind:value`; repeat it for events that carry all of several.
        after: Events after this position.
        until: Events up to this position.
        since: Events recorded at this time or later: `2026-11-05`, `2026-11-05T14:30`, or `90s`, `15m`, `2h`, `3d` ago.
            UTC where no zone is given.
        before: Events recorded before this time, given as for `--since`.
        limit: At most so many events.
    """

    type: list[str] = field(default_factory=list)
    tag: list[str] = field(default_factory=list)
    after: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None
    until: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None
    since: str | None = None
    before: str | None = None
    limit: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None


class Search:
    """A search through the history that goes on where it stopped.

    Args:
        filters: what is looked for.
        after: the position to begin behind, unless the filters name one.
        now: what times like `2h` are counted back from.

    Attributes:
        position: everything up to it has been searched.
        found: how many events were found so far.

    Raises:
        CommandLineError: a tag or a time cannot be read.
    """

    def __init__(self, filters: Filters, *, after: int = 0, now: datetime) -> None:
        self._filters = filters
        self._since = _microseconds(filters.since, "--since", now)
        self._before = _microseconds(filters.before, "--before", now)
        self.position = after if filters.after is None else filters.after
        self.found = 0
        refuse_tags(filters.tag)

    @property
    def ended(self) -> bool:
        """Tell whether nothing more can be found, whatever is appended."""
        until, limit = self._filters.until, self._filters.limit
        return (until is not None and self.position >= until) or (limit is not None and self.found >= limit)

    async def up_to(self, node: Node, head: int) -> AsyncIterator[Recorded]:
        """Yield what is found from where the search stands to a position."""
        end = head if self._filters.until is None else min(head, self._filters.until)
        if self.ended or end <= self.position:
            return
        async for recorded in node.events(
            types=self._filters.type, tags=self._filters.tag, after=self.position, until=end
        ):
            self.position = recorded.position
            if self._in_time(recorded):
                self.found += 1
                yield recorded
                if self.ended:
                    return
        self.position = end

    def _in_time(self, recorded: Recorded) -> bool:
        # Clocks order nothing: a later event may carry an earlier time, so every event is looked at.
        if self._since is not None and recorded.recorded_at < self._since:
            return False
        return self._before is None or recorded.recorded_at < self._before


def _microseconds(text: str | None, option: str, now: datetime) -> int | None:
    time = moment(text, option, now)
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1)


def refuse_tags(tags: Sequence[str]) -> None:
    """Refuse what is no tag.

    Raises:
        CommandLineError: one is not of the form `kind:value`.
    """
    for tag in tags:
        if not re.match(r"[^:]+:.", tag):
            raise CommandLineError(f"--tag: expected kind:value, as in `user:0191…`, found {tag!r}")


def duration(text: str, option: str) -> timedelta:
    """Return a length of time like `90s`, `15m`, `2h` or `3d`.

    Args:
        text: what was given.
        option: its name, for the error.

    Raises:
        CommandLineError: it is no length of time.
    """
    found = _DURATION.match(text)
    if found is None:
        raise CommandLineError(f"{option}: expected a length of time like 90s, 15m, 2h or 30d, found {text!r}")
    try:
        return timedelta(**{_UNITS[found["unit"]]: int(found["count"])})
    except OverflowError as error:
        raise CommandLineError(f"{option}: {text} is longer than can be counted") from error


def moment(text: str | None, option: str, now: datetime) -> datetime | None:
    """Return the time that an option names, None where it is not given.

    Args:
        text: `2026-11-05`, `2026-11-05T14:30`, in UTC where no zone is given; or `90s`, `15m`, `2h`, `3d` ago.
        option: its name, for the error.
        now: what the latter are counted back from.

    Raises:
        CommandLineError: it names no time.
    """
    if text is None:
        return None
    try:
        time = now - duration(text, option) if _DURATION.match(text) else datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise CommandLineError(
            f"{option}: expected a time like 2026-11-05, 2026-11-05T14:30, 15m or 2h, found {text!r}"
        ) from error
