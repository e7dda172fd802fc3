"""An application that tells how much the garbage collector of its process does not look at."""

import gc

from twofold import App, Query

app = App("aside")


class CountAside(Query[int]):
    """How many objects are set aside for good."""


@app.query
def count_aside(query: CountAside) -> int:
    return gc.get_freeze_count()
