"""Where the time of one work goes: `python -m bench --profile NAME`, with pyinstrument, which samples every 0.5 ms.

Only the event loop's thread is sampled; what SQLite does in the engine's threads, and what a PostgreSQL server does, is
told as a number of its own. A function of C counts for the function of Python that calls it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from bench import profiled
from bench.postgres.server import server
from bench.rounds import Run
from twofold.errors import MissingExtra

if TYPE_CHECKING:
    from pyinstrument.frame import Frame

_INTERVAL = 0.0005
_SHOWN = 0.01
_BUILT_IN, _WAITING = "<built-in>", "waiting for threads, the disk or the server"
_ENGINES = ("sqlite", "postgres")
Work: TypeAlias = Callable[[str, Run, profiled.Watch], Coroutine[Any, Any, int]]
_KINDS: Mapping[str, Work] = {
    "commands": partial(profiled.commands, 1_000),
    "hot": partial(profiled.commands, 1),
    "one-at-a-time": profiled.one_at_a_time,
    "catch-up": profiled.catch_up,
    "ask": profiled.ask,
    "page": profiled.page,
    "freshness": profiled.freshness,
    "http-commands": profiled.http_commands,
    "http-queries": profiled.http_queries,
}
WORKS = tuple(name if engine == "sqlite" else f"{engine}-{name}" for engine in _ENGINES for name in _KINDS)


class Shares(msgspec.Struct):
    """What one profile found."""

    work: str
    seconds: float = 0.0
    cpu: float = 0.0
    loop_cpu: float = 0.0
    operations: int = 0
    modules: Counter[str] = msgspec.field(default_factory=Counter)
    functions: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def text(self) -> str:
        """The profile as tables of Markdown."""
        each = 1e6 / max(1, self.operations)
        lines = [
            f"**{self.work}**: {self.operations:,} in {self.seconds:.2f} s; {self.cpu * each:.1f} µs of CPU each, "
            f"{self.loop_cpu * each:.1f} of it in the event loop's thread.",
            *_table("module", self.modules),
            *_table("function", self.functions),
        ]
        return "\n".join(lines)


def told(work: str, run: Run) -> str:
    """Do a work once under a profiler; return where its time went.

    Raises:
        MissingExtra: pyinstrument is not installed.
        WrongResult: the work did the wrong thing.
    """
    return shares_of(work, run).text


def shares_of(work: str, run: Run) -> Shares:
    """Do a work once under a profiler; return what it found."""
    engine = "postgres" if work.startswith("postgres-") else "sqlite"
    shares = Shares(work)
    with ExitStack() as stack:
        if engine == "postgres":
            url = stack.enter_context(server()).database()
        else:
            url = f"sqlite:///{stack.enter_context(run.new_folder())}"
        kind = _KINDS[work.removeprefix("postgres-")]
        shares.operations = asyncio.run(kind(url, run, partial(watched, shares)))
    return shares


@contextmanager
def _profiler() -> Any:
    try:
        from pyinstrument import Profiler
    except ModuleNotFoundError as error:
        raise MissingExtra(missing="pyinstrument", extra="dev", feature="bench --profile") from error
    yield Profiler(interval=_INTERVAL, async_mode="disabled")


@contextmanager
def watched(shares: Shares) -> Iterator[None]:
    """Add to what is known of a work where the time goes while this is entered."""
    with _profiler() as profiler:
        started, cpu, loop_cpu = time.perf_counter(), time.process_time(), time.thread_time()
        with profiler:
            yield
        shares.seconds = time.perf_counter() - started
        shares.cpu, shares.loop_cpu = time.process_time() - cpu, time.thread_time() - loop_cpu
    root = profiler.last_session.root_frame()
    if root is not None:
        _add(root, shares)


def _add(frame: Frame, shares: Shares, caller: str = "?", calling: str = "?") -> None:
    module, function = _module(frame.file_path or ""), frame.function
    if module == _BUILT_IN:
        waits = any(word in function for word in ("poll", "select"))
        module, function = (_WAITING, function) if waits else (caller, calling)
    own = frame.time - sum(child.time for child in frame.children if not child.is_synthetic)
    if own > 0 and not frame.is_synthetic:
        shares.modules[module] += own  # type: ignore[assignment]
        shares.functions[f"{module}: {function}"] += own  # type: ignore[assignment]
    for child in frame.children:
        if not child.is_synthetic:
            _add(child, shares, module, function)


def _module(path: str) -> str:
    """Return a file as a reader knows it: within the package, or the library that it belongs to."""
    parts = Path(path).parts
    for package in ("twofold", "bench", "examples"):
        if package in parts and not parts[-1].startswith("<"):
            place = len(parts) - 1 - parts[::-1].index(package)
            return "/".join(parts[place:])
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    found = [part for part in parts if part.startswith("python3")]
    if found:
        return parts[parts.index(found[0]) + 1].removesuffix(".py") if len(parts) > parts.index(found[0]) + 1 else "?"
    return Path(path).name or "?"


def _table(name: str, found: Counter[str]) -> list[str]:
    whole = sum(found.values()) or 1
    shown = [(key, value / whole) for key, value in found.most_common() if value / whole >= _SHOWN]
    return ["", f"| {name} | share of the loop's time |", "|---|---:|", *(f"| {k} | {v:.0%} |" for k, v in shown)]
