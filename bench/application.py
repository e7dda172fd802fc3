"""What the measurements of queries and of memory run: examples/profiles, and a query that pages through it."""

from examples.profiles.app import Profile, ProfileUpdated, UserId, UserRegistered
from examples.profiles.app import app as profiles

from twofold import App, Found, Query, ReadModel, View


class ProfilePage(Query[Found[Profile]]):
    """The profiles in the order of their keys, page by page."""

    limit: int
    after: str | None = None


app = App("bench")
app.include(profiles)


@app.query
async def profile_page(query: ProfilePage, profiles: View[Profile]) -> Found[Profile]:
    return await profiles.find(order_by="user_id", limit=query.limit, after=query.after)


class Named(ReadModel, key="user_id", indexes=["name"]):
    """Profiles once more, to be found by name."""

    user_id: UserId
    name: str = ""
    bio: str = ""
    updates: int = 0

    def evolve(self, event: UserRegistered | ProfileUpdated) -> None:
        self.name = event.name
        if isinstance(event, ProfileUpdated):
            self.bio, self.updates = event.bio, self.updates + 1


class PageByName(Query[Found[Named]]):
    """The profiles in the order of their names, page by page."""

    limit: int
    after: str | None = None


indexed = App("indexed")


@indexed.query
async def page_by_name(query: PageByName, named: View[Named]) -> Found[Named]:
    return await named.find(order_by="name", limit=query.limit, after=query.after)
