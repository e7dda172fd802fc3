"""The suite that every history must pass.

@pytest.fixture
def engine(tmp_path: Path) -> HistoryEngine:
    return Engine("sqlite", SqliteHistory, place=lambda: Path(mkdtemp(dir=tmp_path)))

class TestHistory(HistoryContract): ...
"""

from __future__ import annotations

from twofold.testing.contracts.history_batches import HistoryBatches
from twofold.testing.contracts.history_commands import HistoryCommands
from twofold.testing.contracts.history_concurrency import HistoryConcurrency
from twofold.testing.contracts.history_conditions import HistoryConditions
from twofold.testing.contracts.history_durability import HistoryDurability
from twofold.testing.contracts.history_ledger import HistoryLedger
from twofold.testing.contracts.history_machine import HistoryAtRandom
from twofold.testing.contracts.history_positions import HistoryPositions
from twofold.testing.contracts.history_pruning import HistoryPruning
from twofold.testing.contracts.history_reading import HistoryReading
from twofold.testing.contracts.history_waiting import HistoryWaiting
from twofold.testing.contracts.history_work import HistoryWork


class HistoryContract(
    HistoryPositions,
    HistoryConditions,
    HistoryBatches,
    HistoryCommands,
    HistoryLedger,
    HistoryPruning,
    HistoryReading,
    HistoryWaiting,
    HistoryConcurrency,
    HistoryDurability,
    HistoryWork,
    HistoryAtRandom,
):
    """What `twofold.history.store.History` promises; needs a fixture `engine: HistoryEngine`."""
