"""Scenarios know what belongs where, and the type of an answer."""

from uuid import UUID

from examples.profiles.app import GetProfile, Profile, RegisterUser, UserRegistered, app

from twofold import Rejected
from twofold.testing import scenario

u = UUID(int=1)

scenario(app).given(UserRegistered(u, "Ada")).when(RegisterUser(u, "Ada")).then(Rejected("already_registered"))
scenario(app).when(RegisterUser(u, "Ada")).then(UserRegistered(u, "Ada")).ask(GetProfile(u)).answers(Profile(u))
scenario(app).ask(GetProfile(u)).answers(None)

scenario(app).given(RegisterUser(u, "Ada"))  # error
scenario(app).when(UserRegistered(u, "Ada"))  # error
scenario(app).when(RegisterUser(u, "Ada")).then("already_registered")  # error
scenario(app).ask(RegisterUser(u, "Ada"))  # error
scenario(app).ask(GetProfile(u)).answers("Ada")  # error
