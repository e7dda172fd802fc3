"""The suite that every view store must pass.

    @pytest.fixture
    def engine(tmp_path: Path) -> ViewEngine:
        return Engine("sqlite", SqliteViews, place=lambda: Path(mkdtemp(dir=tmp_path)), write_raw=…)

    class TestViews(ViewStoreContract): ...

`write_raw(store, statement)` runs a statement on the connection that the store reads with, and must not get through.
"""

from __future__ import annotations

from twofold.testing.contracts.views_hostile import ViewHostility
from twofold.testing.contracts.views_indexes import ViewIndexes
from twofold.testing.contracts.views_keys import ViewKeys
from twofold.testing.contracts.views_kinds import ViewKinds
from twofold.testing.contracts.views_leases import ViewLeases
from twofold.testing.contracts.views_paging import ViewPaging
from twofold.testing.contracts.views_parking import ViewParking
from twofold.testing.contracts.views_projection import ViewProjection
from twofold.testing.contracts.views_ranges import ViewRanges
from twofold.testing.contracts.views_reading import ViewReading
from twofold.testing.contracts.views_search import ViewSearch
from twofold.testing.contracts.views_segments import ViewSegments
from twofold.testing.contracts.views_select import ViewSelects
from twofold.testing.contracts.views_sharing import ViewSharing
from twofold.testing.contracts.views_spares import ViewSpares
from twofold.testing.contracts.views_versions import ViewVersions
from twofold.testing.contracts.views_work import ViewWork


class ViewStoreContract(
    ViewProjection,
    ViewVersions,
    ViewReading,
    ViewKeys,
    ViewRanges,
    ViewPaging,
    ViewIndexes,
    ViewSearch,
    ViewSelects,
    ViewHostility,
    ViewKinds,
    ViewLeases,
    ViewSegments,
    ViewSharing,
    ViewSpares,
    ViewParking,
    ViewWork,
):
    """What `twofold.read.store.ViewStore` promises; needs a fixture `engine: ViewEngine`."""
