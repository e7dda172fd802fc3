"""Rounds: every contender once a round, A B A B, each in a new folder, after one round that is not counted."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

from bench.sizes import Sizes

Readings: TypeAlias = Mapping[str, float]
Contender: TypeAlias = Callable[[Path], Readings]
Series: TypeAlias = dict[str, list[float]]


class Run(msgspec.Struct, frozen=True):
    """One run of the harness: its sizes, how many rounds, the folder on the disk to be measured, and who is told."""

    sizes: Sizes
    rounds: int
    folder: Path
    say: Callable[[str], None]
    skipped: list[str] = []

    def skip(self, reason: str) -> None:
        """Note what cannot be measured, and why: it is told in the results."""
        self.say(f"  skipped: {reason}")
        self.skipped.append(reason)

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Give an empty folder and remove it afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def interleave(self, *contenders: Contender, warm_up: bool = True) -> Series:
        """Return what each contender read in each round, by the name of the reading.

        A run of one round is only a look, and has no warm-up.
        """
        series: Series = defaultdict(list)
        for number in range(0 if warm_up and self.rounds > 1 else 1, self.rounds + 1):
            found: dict[str, float] = {}
            for contender in contenders:
                with self.new_folder() as folder:
                    gc.collect()
                    found.update(contender(folder))
            label = f"round {number}" if number else "warm-up"
            self.say(f"  {label}: " + ", ".join(f"{name} {value:,.4g}" for name, value in found.items()))
            if number:
                for name, value in found.items():
                    series[name].append(value)
        return series
