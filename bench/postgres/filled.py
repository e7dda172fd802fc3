"""A history on PostgreSQL that is there before measurements begin: loaded once, and copied for each of them."""

from __future__ import annotations

from bench.catch_up import events_in
from bench.filled import fill_at
from bench.postgres.server import Server, rows_of
from bench.result import check
from bench.workload import users

_ROWS = "SELECT user_id, name, bio, updates FROM views.profile ORDER BY user_id"
_EXPECTED = (
    "SELECT DISTINCT ON (user_id) user_id, name, bio, count(*) OVER (PARTITION BY user_id) - 1 "
    "FROM (SELECT position, (payload::json->>'user_id')::uuid AS user_id, payload::json->>'name' AS name, "
    "coalesce(payload::json->>'bio', '') AS bio FROM history.events) AS event ORDER BY user_id, position DESC"
)


class Filled:
    """A history of so many events over so many keys, in a database that nobody works with but to copy it.

    Args:
        place: the server.
        keys: how many users there are.
        events: how many events.

    Attributes:
        expected: the rows of the read model as the database itself makes them of the events, ordered by key.
    """

    def __init__(self, place: Server, keys: int, events: int) -> None:
        self.events = events
        self._place = place
        self._url = place.database()
        fill_at(self._url, users(keys), events)
        # Else the server does it some time in the first minute, and the copies are not alike.
        rows_of(self._url, "VACUUM ANALYZE")
        self.expected = rows_of(self._url, _EXPECTED)

    def copy(self) -> str:
        """Return the URL of a new database with this history in it."""
        return self._place.database(self._url)

    def require(self, url: str) -> None:
        """Check every row of the read model in a copy.

        Raises:
            WrongResult: the rows are not what the events make.
        """
        found = rows_of(url, _ROWS)
        check(found == self.expected, f"the read model's {len(found)} rows are not what the events make")
        check(events_in(found) == self.events, "the read model has not seen every event")
