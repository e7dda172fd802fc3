"""What the long fault scripts share: rounds by number or by time, a line now and then, and the seed that failed."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.faults.places import Places, places_of  # noqa: E402 - the tests are found from here on


def run(name: str, where: str, *, default: int, engines: Sequence[str] = ()) -> None:
    """Run a round for many seeds, and exit with 1 at the first that raises.

    Args:
        name: what is run, for people.
        where: `module:function` of a round: it takes the seed and returns what to tell about it.
        default: how many rounds when nothing is asked for.
        engines: those it can be run on, the first if none is asked for; the round is given places of it as well.
    """
    logging.disable(logging.CRITICAL)
    module, _, function = where.partition(":")
    one: Callable[..., str] = getattr(importlib.import_module(module), function)
    parser = argparse.ArgumentParser(description=f"{name}: many rounds of one fault test")
    parser.add_argument("--rounds", type=int, default=None, help=f"how many rounds (default {default})")
    parser.add_argument("--seconds", type=float, default=None, help="end after so many seconds")
    parser.add_argument("--first", "--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--engine", choices=engines, default=engines[0] if engines else None)
    options = parser.parse_args()
    with places_of(options.engine) if engines else nullcontext() as places:
        _rounds(name, one if places is None else partial(_in_new_places, one, places), options, default)


def _in_new_places(one: Callable[..., str], places: Places, seed: int) -> str:
    try:
        return one(seed, places)
    finally:
        places.clear()


def _rounds(name: str, one: Callable[[int], str], options: argparse.Namespace, default: int) -> None:
    limit = options.rounds if options.rounds is not None else (default if options.seconds is None else 2**62)
    started = told = time.monotonic()
    done = 0
    for seed in range(options.first, options.first + limit):
        if options.seconds is not None and time.monotonic() - started > options.seconds:
            break
        try:
            note = one(seed)
        except BaseException:  # noqa: BLE001 - also what a test raises to fail
            traceback.print_exc()
            print(f"{name}: seed {seed} failed; repeat it with --first {seed} --rounds 1", file=sys.stderr)
            sys.exit(1)
        done += 1
        if time.monotonic() - told > 5:
            told = time.monotonic()
            print(f"{name}: {done} rounds in {told - started:.0f} s; seed {seed}: {note}", flush=True)
    print(f"{name}: {done} rounds in {time.monotonic() - started:.1f} s, all held")
