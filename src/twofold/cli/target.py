"""Which application a command line is about: `module:attribute`, found from the current directory."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import sys
import traceback
from collections.abc import Sequence

from twofold.app import App
from twofold.cli.status import CommandLineError
from twofold.errors import TwofoldError


class _NoModule(CommandLineError):
    """What was named is no module."""


def load(target: str) -> App:
    """Return the application that `module:attribute` names; the attribute is `app` when left out.

    Raises:
        CommandLineError: there is no such module or attribute, it is no App, or the module cannot be imported.
        TwofoldError: the module declares its application wrongly.
    """
    name, _, attribute = target.partition(":")
    _refuse_paths(target, name)
    _look_in_current_directory()
    found: object = _imported(name)
    for part in (attribute or "app").split("."):
        if not hasattr(found, part):
            raise CommandLineError(_no_attribute(name, part, found))
        found = getattr(found, part)
    if not isinstance(found, App):
        raise CommandLineError(
            f"{target} is of type {type(found).__name__}, expected a twofold App; "
            "name the variable that holds it, as in `profiles:app`"
        )
    return found


def load_before(command: str, target: str, *words: str | None) -> App:
    """Return the application of a command that takes more words behind it.

    Args:
        command: as it is given, such as `models verify`.
        target: the word in the application's place.
        words: what is behind it; None is left out.

    Raises:
        CommandLineError: as of `load`; where the word is another one's, it shows how the command is written.
        TwofoldError: the module declares its application wrongly.
    """
    try:
        return load(target)
    except _NoModule as error:
        if ":" in target:
            raise
        given = [word for word in words if word is not None]
        raise CommandLineError(_misplaced(command, target, given)) from error


def _misplaced(command: str, target: str, words: Sequence[str]) -> str:
    named = next((word for word in words if _is_found(word)), None)
    others = [word for word in words if word is not named]
    mend = f"twofold {command} {shlex.join([named or 'APP', target, *others])}"
    example = "" if named else ", with APP as in `profiles:app`"
    return (
        f"found {target!r} where the application is expected, and there is no module of that name in {os.getcwd()} "
        f"or among the installed packages; the application comes first: `{mend}`{example}"
    )


def _is_found(word: str) -> bool:
    """Tell whether a word has an application's form, and its package is there; nothing is imported."""
    match = re.fullmatch(r"([^\W\d]\w*)(\.[^\W\d]\w*)*:([^\W\d][\w.]*)?", word)
    try:
        return match is not None and importlib.util.find_spec(match[1]) is not None
    except ValueError:
        # A module that was made, not found.
        return False


def _refuse_paths(target: str, name: str) -> None:
    if name.endswith(".py") or "/" in name or os.sep in name:
        module = name.removesuffix(".py").replace(os.sep, ".").replace("/", ".").strip(".")
        raise CommandLineError(
            f"{target!r} names a file, expected a module; try `{module}:app` from the folder that the path starts in"
        )
    if not all(part.isidentifier() for part in name.split(".")):
        raise _NoModule(f"{target!r} names no module; expected `module:attribute`, as in `profiles:app`")


def _look_in_current_directory() -> None:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


def _imported(name: str) -> object:
    try:
        return importlib.import_module(name)
    except TwofoldError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise _NoModule(
                f"there is no module {name!r} in {os.getcwd()} or among the installed packages; "
                "name it as in an import statement, from the folder that it lies in"
            ) from error
        raise CommandLineError(_failed(name, error)) from error
    except (Exception, SystemExit) as error:
        raise CommandLineError(_failed(name, error)) from error


def _failed(name: str, error: Exception | SystemExit) -> str:
    if isinstance(error, SyntaxError):
        return f"module {name!r} cannot be imported: {error.msg} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"module {name!r} cannot be imported: {type(error).__name__}: {error}{where}"


def _no_attribute(name: str, part: str, found: object) -> str:
    apps = sorted(each for each, value in vars(found).items() if isinstance(value, App)) if _has_vars(found) else []
    hint = f"it has {', '.join(f'`{name}:{each}`' for each in apps)}" if apps else "it holds no App"
    return f"module {name!r} has no attribute {part!r}; {hint}"


def _has_vars(found: object) -> bool:
    return hasattr(found, "__dict__")
