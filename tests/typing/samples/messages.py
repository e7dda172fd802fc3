"""Messages are made with the fields that they declare, and never changed."""

from uuid import UUID

from examples.profiles.app import Profile, ProfileUpdated, RegisterUser, UpdateProfile, User, UserRegistered

from twofold import Command, Event, ReadModel, WriteModel

user_id = UUID(int=1)

right = [
    RegisterUser(user_id, "Ada"),
    RegisterUser(user_id=user_id, name="Ada"),
    UpdateProfile(user_id, "Ada"),
    UpdateProfile(user_id, "Ada", "a bio"),
    UpdateProfile(user_id, name="Ada", bio="a bio"),
]
models = [User(), User(registered=True), Profile(user_id), Profile(user_id, "Ada", updates=2)]

RegisterUser(user_id)  # error
RegisterUser("a text", "Ada")  # error
RegisterUser(user_id, 5)  # error
RegisterUser(user_id, "Ada", "more")  # error
RegisterUser(user_id, nosuch="Ada")  # error
ProfileUpdated(user_id, "Ada")  # error
Profile()  # error
User(registered="yes")  # error

event = UserRegistered(user_id, "Ada")
event.name = "Eva"  # error
RegisterUser(user_id, "Ada").name = "Eva"  # error
print(event.nosuch)  # error

Profile(user_id).name = "Eva"
Profile(user_id).name = 5  # error


class Named(Command, name="named-command", version=2):
    number: int = 0


class Tagless(WriteModel, tag="user"):
    count: int = 0


class Row(ReadModel, key=("a", "b"), name="rows", version=2):
    a: int
    b: str


class Happened(Event):
    number: int


Named()
Named(1)
Tagless(count=1)
Row(1, "b")
Named("1")  # error
Row("a", 1)  # error
