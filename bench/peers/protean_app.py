"""The profile application as a user of Protean writes it: commands, events, a projection, a query; no HTTP."""

from protean import Domain, apply, handle, read
from protean.core.projector import on
from protean.fields import Identifier, Integer, String, Text
from protean.utils.globals import current_domain

domain = Domain(name="profiles")


@domain.event(part_of="User")
class UserRegistered:
    user_id = Identifier(required=True)
    name = String(required=True)


@domain.event(part_of="User")
class ProfileUpdated:
    user_id = Identifier(required=True)
    name = String(required=True)
    bio = Text()


@domain.aggregate(is_event_sourced=True)
class User:
    user_id = Identifier(identifier=True)
    name = String()
    bio = Text()

    @classmethod
    def register(cls, user_id, name):
        user = cls(user_id=user_id, name=name)
        user.raise_(UserRegistered(user_id=user_id, name=name))
        return user

    def update_profile(self, name, bio):
        self.raise_(ProfileUpdated(user_id=self.user_id, name=name, bio=bio))

    @apply
    def registered(self, event: UserRegistered):
        self.user_id, self.name, self.bio = event.user_id, event.name, ""

    @apply
    def updated(self, event: ProfileUpdated):
        self.name, self.bio = event.name, event.bio


@domain.command(part_of=User)
class RegisterUser:
    user_id = Identifier(identifier=True)
    name = String(required=True)


@domain.command(part_of=User)
class UpdateProfile:
    user_id = Identifier(identifier=True)
    name = String(required=True)
    bio = Text()


@domain.command_handler(part_of=User)
class UserCommands:
    @handle(RegisterUser)
    def register(self, command):
        current_domain.repository_for(User).add(User.register(command.user_id, command.name))

    @handle(UpdateProfile)
    def update_profile(self, command):
        users = current_domain.repository_for(User)
        user = users.get(command.user_id)
        user.update_profile(command.name, command.bio)
        users.add(user)


@domain.projection
class Profile:
    user_id = Identifier(identifier=True)
    name = String()
    bio = Text()
    updates = Integer(default=0)


@domain.projector(projector_for=Profile, aggregates=[User])
class ProfileProjector:
    @on(UserRegistered)
    def registered(self, event):
        current_domain.repository_for(Profile).add(Profile(user_id=event.user_id, name=event.name))

    @on(ProfileUpdated)
    def updated(self, event):
        profiles = current_domain.repository_for(Profile)
        profile = profiles.get(event.user_id)
        profile.name, profile.bio = event.name, event.bio
        profile.updates += 1
        profiles.add(profile)


@domain.query(part_of=Profile)
class GetProfile:
    user_id = Identifier(required=True)


@domain.query_handler(part_of=Profile)
class ProfileQueries:
    @read(GetProfile)
    def get_profile(self, query):
        return current_domain.repository_for(Profile).get(query.user_id)
