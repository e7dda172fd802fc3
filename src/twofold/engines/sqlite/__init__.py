"""The embedded engine: a folder with two SQLite files, `history.db` and `views.db`, shared by any number of processes.

A third, `snapshots.db`, is made when there are long boundaries, and may be deleted at any time.

Statements run where they are called, on the event loop; only COMMIT, which waits for the disk, runs in a thread.
The reason is CPython's lock: a thread gives it up at every step of a statement and, while the event loop is busy,
waits 5 ms to get it back: measured here, a writer thread then made 44 commits a second instead of 3,500.
A COMMIT of a few rows, on a disk that has been quick, is run in place: two hops between threads would cost as much.
Reads that turn out long are interrupted after a few milliseconds and done again in a thread.
"""

from twofold.engines.sqlite.history import SqliteHistory
from twofold.engines.sqlite.snapshots import SqliteSnapshots
from twofold.engines.sqlite.views import SqliteViews

__all__ = ["SqliteHistory", "SqliteSnapshots", "SqliteViews"]
