"""Commands on users through the `eventsourcing` library's dynamic consistency boundaries; its PostgreSQL recorder."""

from eventsourcing.dcb.application import DCBApplication
from eventsourcing.dcb.domain import EnduringObject
from eventsourcing.dcb.msgpack import Decision, InitialDecision, MessagePackMapper
from eventsourcing.domain import event
from eventsourcing.utils import get_topic


class User(EnduringObject[Decision, str]):
    class Registered(InitialDecision):
        user_id: str
        name: str

    class ProfileUpdated(Decision):
        name: str
        bio: str

    @event(Registered)
    def __init__(self, *, name: str) -> None:
        self.name = name
        self.bio = ""

    @event(ProfileUpdated)
    def update_profile(self, name: str, bio: str) -> None:
        self.name = name
        self.bio = bio


class Profiles(DCBApplication):
    env = {"MAPPER_TOPIC": get_topic(MessagePackMapper), "PERSISTENCE_MODULE": "eventsourcing.dcb.postgres_tt"}  # noqa: RUF012

    def register(self, name: str) -> str:
        user = User(name=name)
        self.repository.save(user)
        return user.id

    def update_profile(self, user_id: str, name: str, bio: str) -> int:
        user = self.repository.get(user_id)
        user.update_profile(name, bio)
        return self.repository.save(user)
