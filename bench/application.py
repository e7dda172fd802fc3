"""What the measurements of queries and of memory run: examples/profiles, and a query that pages through it."""

from examples.profiles.app import Profile
from examples.profiles.app import app as profiles

from twofold import App, Found, Query, View


class ProfilePage(Query[Found[Profile]]):
    """The profiles in the order of their keys, page by page."""

    limit: int
    after: str | None = None


app = App("bench")
app.include(profiles)


@app.query
async def profile_page(query: ProfilePage, profiles: View[Profile]) -> Found[Profile]:
    return await profiles.find(order_by="user_id", limit=query.limit, after=query.after)
