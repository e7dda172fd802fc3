"""An environment of its own for the peers, so that what they need is never mixed with what Twofold needs."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from typing import Any

from bench.result import WrongResult

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / ".venv-peers"
REQUIREMENTS = (
    "eventsourcing[postgres]>=9.5,<10",
    "psycopg[binary]>=3.2",
    "msgspec>=0.22",
    "umadb>=0.7",
    "protean>=0.18,<0.19",
    "fastapi>=0.130",
    "sqlalchemy[asyncio]>=2.1",
    "asyncpg>=0.32",
    "uvicorn>=0.40",
    "httptools>=0.6",
    "uvloop>=0.21",
)
_LIMIT = 900.0


def is_installed() -> bool:
    """Tell whether the environment is there, with what is wanted now."""
    made = HOME / ".made"
    return made.exists() and made.read_text("utf-8") == "\n".join(REQUIREMENTS)


@cache
def python() -> Path:
    """Return the interpreter of the peers' environment, made at the first call.

    Raises:
        WrongResult: it cannot be made.
    """
    interpreter = HOME / "bin" / "python"
    if not is_installed():
        print(f"installing the peers into {HOME.name} (once)", file=sys.stderr)
        venv.create(HOME, with_pip=True, clear=True)
        install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS]
        finished = subprocess.run(install, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise WrongResult(f"the peers could not be installed: {finished.stderr.strip()[-500:]}")
        (HOME / ".made").write_text("\n".join(REQUIREMENTS), "utf-8")
    return interpreter


def versions() -> dict[str, str]:
    """Return the versions of the peers that are installed."""
    wanted = "import json; from importlib.metadata import version; print(json.dumps({n: version(n) for n in %r}))"
    names = ("eventsourcing", "psycopg", "umadb", "protean", "fastapi", "sqlalchemy", "asyncpg", "uvicorn")
    found = subprocess.run([str(python()), "-c", wanted % (names,)], capture_output=True, text=True, check=True)
    return dict(json.loads(found.stdout))


def run(program: str, *arguments: object) -> Any:
    """Run one of the peers' programs in their environment; return what it printed.

    Raises:
        WrongResult: it failed.
    """
    command = [*map(str, (python(), Path(__file__).with_name(f"{program}.py"), *arguments))]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    if finished.returncode:
        raise WrongResult(f"{program} ended with status {finished.returncode}: {finished.stderr.strip()[-500:]}")
    return json.loads(finished.stdout.splitlines()[-1])  # a peer may have logged before
