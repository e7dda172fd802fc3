"""Options that several commands share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter

from twofold.cli.status import CommandLineError
from twofold.errors import StoreUnavailable
from twofold.storage import Kind, Role, storage_at

DEFAULT_URL = "sqlite:///data"

Target: TypeAlias = Annotated[
    str, Parameter(name="APP", help="The application, as `module:attribute`; the attribute is `app` if left out.")
]
OptionalTarget: TypeAlias = Annotated[
    str | None,
    Parameter(name="APP", help="The application, as `module:attribute`. Without it, names are not checked."),
]
Url: TypeAlias = Annotated[
    str,
    Parameter(
        env_var="TWOFOLD_URL",
        help="Where the history is: `sqlite:///FOLDER`, four slashes for an absolute path; or `postgresql://…`.",
    ),
]


def _split_views(kind: Any, text: str, *, delimiter: str | None = None) -> list[str]:
    # Folders may have spaces in their names.
    return re.split(r"\s+(?=[A-Za-z][A-Za-z0-9_-]*=)", text.strip())


Views: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(
        negative=(),
        env_var="TWOFOLD_VIEWS",
        env_var_split=_split_views,
        help="Where the read models are; beside the history if left out. `NAME=URL` for those of a store; repeat it.",
    ),
]
Roles: TypeAlias = Annotated[
    tuple[Role, ...],
    Parameter(negative=(), help="Run only this side: `write`, `read` or `project`; `http` serves it. Repeat it."),
]
Json: TypeAlias = Annotated[bool, Parameter(negative=(), help="Print JSON, as in a pipe, instead of a table.")]
Words: TypeAlias = Annotated[
    str,
    Parameter(
        name="NAME",
        allow_leading_hyphen=True,
        help="The message's name, then its fields: `field=value` or `--field value`.",
    ),
]
Body: TypeAlias = Annotated[
    str | None,
    Parameter(allow_leading_hyphen=True, help="The whole message as JSON; `-` reads it from standard input."),
]
Help: TypeAlias = Annotated[
    bool, Parameter(name=("--help", "-h"), negative=(), help="Print what there is, or what the named message takes.")
]
After: TypeAlias = int
"""A position that is given on a command line."""


def views_in(words: Sequence[str]) -> dict[str, str] | None:
    """Return where read models are by store, from `URL` and `NAME=URL`; None where nothing is said.

    Raises:
        CommandLineError: two are given for one store.
    """
    found: dict[str, str] = {}
    for word in words:
        match = re.fullmatch(r"(?:([A-Za-z][A-Za-z0-9_-]*)=)?(.*)", word, re.DOTALL)
        assert match is not None
        name = match[1] or ""
        if name in found:
            whose = f"store {name!r}" if name else "all other read models"
            raise CommandLineError(f"--views is given twice for {whose}")
        found[name] = match[2]
    return found or None


def require_history(url: str) -> frozenset[Kind]:
    """Return what is stored at a URL, for commands that only read: they make no files.

    Raises:
        StoreUnavailable: there is no history.
        InvalidAddress: the URL names no engine.
    """
    storage = storage_at(url)
    if url == "memory:":
        raise CommandLineError("`memory:` lives and ends with one process: there is nothing in it to read from here")
    try:
        found = asyncio.run(storage.stored())
    except OSError as error:
        raise StoreUnavailable(path=storage.shown, problem=error.strerror or str(error)) from error
    if "history" not in found:
        raise StoreUnavailable(
            path=storage.shown,
            problem=f"there is no history; send a command first, or name another place with --url "
            f"(relative paths begin in {Path.cwd()})",
        )
    return found
