"""The profile application as a user of the `eventsourcing` library writes it: commands, events, a read model, a query.

No HTTP, no command line: those would come on top.
"""

from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection
from psycopg.sql import SQL


class User(Aggregate):
    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.bio = ""

    @event("ProfileUpdated")
    def update_profile(self, name: str, bio: str) -> None:
        self.name = name
        self.bio = bio


class Profiles(Application[UUID]):
    def register(self, name: str) -> UUID:
        user = User(name)
        self.save(user)
        return user.id

    def update_profile(self, user_id: UUID, name: str, bio: str) -> int:
        user: User = self.repository.get(user_id)
        user.update_profile(name, bio)
        return self.save(user)[-1].notification.id


class ProfileRows(PostgresTrackingRecorder):
    def __init__(self, datastore: PostgresDatastore, **settings: Any) -> None:
        super().__init__(datastore, **settings)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS profile (user_id uuid PRIMARY KEY, name text, bio text, updates bigint)")
        )

    def register(self, user_id: UUID, name: str, tracking: Tracking) -> None:
        self._change("INSERT INTO profile VALUES (%s, %s, '', 0)", (user_id, name), tracking)

    def update_profile(self, user_id: UUID, name: str, bio: str, tracking: Tracking) -> None:
        change = "UPDATE profile SET name = %s, bio = %s, updates = updates + 1 WHERE user_id = %s"
        self._change(change, (name, bio, user_id), tracking)

    def get_profile(self, user_id: UUID) -> dict[str, Any] | None:
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM profile WHERE user_id = %s", (user_id,), prepare=True)
            return cursor.fetchone()

    def _change(self, statement: str, values: tuple[Any, ...], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(statement, values, prepare=True)


class ProfileProjection(Projection[ProfileRows]):
    name = "profiles"
    topics = ()

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        raise TypeError(type(domain_event))

    @process_event.register
    def _(self, domain_event: User.Registered, tracking: Tracking) -> None:
        self.view.register(domain_event.originator_id, domain_event.name, tracking)

    @process_event.register
    def _(self, domain_event: User.ProfileUpdated, tracking: Tracking) -> None:
        self.view.update_profile(domain_event.originator_id, domain_event.name, domain_event.bio, tracking)
