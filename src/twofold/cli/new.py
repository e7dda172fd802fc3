"""`twofold new`: a working application of one file, with its test."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twofold.cli.status import CommandLineError

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_TAKEN = {"twofold", "test", "tests", "data", "pytest", "msgspec", "apsw", "conftest"}


def new(name: Annotated[str, Parameter(name="NAME")], /, *, folder: Path = Path()) -> None:
    """Write a working application: NAME.py, its test, and a README.

    Args:
        name: The application's and the module's name: lower-case letters, digits and `_`.
        folder: Where to write it; made if it is not there.
    """
    _check(name)
    contents = {path: _filled(template, name) for template, path in _paths(name, folder).items()}
    there = [str(path) for path in contents if path.exists()]
    if there:
        raise CommandLineError(f"{', '.join(there)}: there already; nothing was written. Take another name or --folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
    except OSError as error:
        raise CommandLineError(f"cannot write to {folder}: {error.strerror or error}") from error
    for path in contents:
        print(f"wrote {path}")
    if folder != Path():
        print(f"cd {folder}")
    print(f"twofold run {name}:app")


def _check(name: str) -> None:
    if not _NAME.match(name) or keyword.iskeyword(name):
        raise CommandLineError(
            f"{name!r} cannot name a module; expected a lower-case letter, then letters, digits and `_`, as in `shop`"
        )
    if name in _TAKEN or name in sys.stdlib_module_names:
        raise CommandLineError(f"{name!r} is the name of another module, which yours would hide; take another name")


def _paths(name: str, folder: Path) -> dict[str, Path]:
    readme = folder / "README.md"
    return {
        "app.py.txt": folder / f"{name}.py",
        "test_app.py.txt": folder / f"test_{name}.py",
        # Where an application is added to a project, the project has a README of its own.
        "README.md.txt": folder / f"{name}.md" if readme.exists() else readme,
    }


def _filled(template: str, name: str) -> str:
    text = resources.files("twofold.cli").joinpath("template", template).read_text(encoding="utf-8")
    return text.replace("{{name}}", name)
