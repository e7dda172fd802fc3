"""The command line: `twofold run | send | ask | events | tail | ledger | models | describe | new | db`.

It knows `App` and `Node`, never an engine. Its own packages come with `pip install 'twofold[cli]'`; each command's
module is imported when the command line is, what a command needs besides when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status, as docs/cli.md lists them.

    Args:
        arguments: without the program's name; those of this process when left out.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if any(find_spec(package) is None for package in ("cyclopts", "rich")):
        from twofold.errors import MissingExtra

        print(f"error: {MissingExtra(feature='the command line', extra='cli')}", file=sys.stderr)
        return 2
    from twofold.cli.program import execute

    return execute(words)
