"""A progress bar on the standard error, for work that takes a person's patience."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_PATIENCE = 0.4


class Progress:
    """A bar that appears when the work is not done after a moment, and vanishes with its end.

    Args:
        title: what is being done.
        total: the position at which it is done.

    Attributes:
        shown: whether anybody would see it: the standard error is a terminal.
    """

    def __init__(self, title: str, total: int) -> None:
        self.shown = sys.stderr.isatty()
        self._title = title
        self._total = total
        self._begun = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def reached(self, position: int, total: int | None = None) -> None:
        """Tell how far the work has come, and where it ends by now."""
        self._total = self._total if total is None else total
        if not self.shown or (self._bar is None and time.monotonic() - self._begun < _PATIENCE):
            return
        if self._bar is None:
            self._bar = self._started()
        self._bar.update(self._bar.task_ids[0], completed=position, total=self._total)

    def _started(self) -> Bar:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from twofold.cli.terminal import console

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=console(errors=True), transient=True)
        bar.add_task(self._title, total=self._total)
        bar.start()
        return bar
