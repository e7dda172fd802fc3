"""The suites that every storage engine must pass. An engine's test module is a fixture and one line for each:

    @pytest.fixture
    def engine(tmp_path: Path) -> HistoryEngine:
        return Engine("sqlite", SqliteHistory, place=lambda: Path(mkdtemp(dir=tmp_path)))

    class TestHistory(HistoryContract): ...

What an engine cannot do it declares in `Engine(cannot=…)`. The tests that need it are then skipped, saying so, and
another test shows that it cannot. This package needs pytest, anyio and hypothesis.
"""

from pkgutil import iter_modules

import pytest

# Assertions in the suites are told as in any test module.
pytest.register_assert_rewrite(*[f"{__name__}.{module.name}" for module in iter_modules(__path__)])

from twofold.testing.contracts.engine import ABILITIES, Ability, Engine, HistoryEngine, ViewEngine  # noqa: E402
from twofold.testing.contracts.history import HistoryContract  # noqa: E402
from twofold.testing.contracts.views import ViewStoreContract  # noqa: E402

__all__ = ["ABILITIES", "Ability", "Engine", "HistoryContract", "HistoryEngine", "ViewEngine", "ViewStoreContract"]
