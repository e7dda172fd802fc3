"""Going on until told to end: by a signal, or because nobody reads any more."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

from twofold.cli.output import Output, descriptor_of_output, is_pipe


@contextlib.asynccontextmanager
async def until_told(output: Output) -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], Awaitable[None]]]:
    """Give a function that runs work until it ends by itself, or is ended by SIGINT, SIGTERM or a closed pipe."""
    ended = asyncio.Event()

    async def follow(work: Coroutine[Any, Any, None]) -> None:
        following = asyncio.create_task(work)
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait((following, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following

    with _ending(ended, output):
        yield follow


@contextlib.contextmanager
def _ending(ended: asyncio.Event, output: Output) -> Iterator[None]:
    """End on SIGINT and SIGTERM, and when nobody reads the pipe any more."""
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        output.ending = True
        loop.call_soon_threadsafe(ended.set)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    pipe = _pipe()
    if pipe is not None:
        # A pipe that is written becomes readable when its reader closes it; without this, a quiet tail would stay.
        with contextlib.suppress(NotImplementedError):
            loop.add_reader(pipe, end)
    try:
        yield
    finally:
        if pipe is not None:
            with contextlib.suppress(NotImplementedError):
                loop.remove_reader(pipe)
        for number, handler in before.items():
            signal.signal(number, handler)


def _pipe() -> int | None:
    descriptor = descriptor_of_output()
    return descriptor if descriptor is not None and is_pipe(descriptor) else None
