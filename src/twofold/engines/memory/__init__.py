"""The engine that keeps everything in memory: for tests, and as the reference for every other engine."""

from twofold.engines.memory.history import MemoryHistory
from twofold.engines.memory.views import MemoryViews

__all__ = ["MemoryHistory", "MemoryViews"]
