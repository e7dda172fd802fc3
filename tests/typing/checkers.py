"""Running type checkers on sample files, and reading where they found errors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.py"))
EXAMPLE = ROOT / "examples/profiles/app.py"
FILES = (EXAMPLE, *SAMPLES)

Found: TypeAlias = dict[Path, dict[int, str]]
"""What was found, by file and line."""

_MYPY_ERROR = re.compile(r"^(?P<path>.+?):(?P<line>\d+): error: (?P<text>.*)$", re.MULTILINE)
_EXPECTED = re.compile(r"#\s*error\b")


def expected(path: Path) -> set[int]:
    """Return the lines that say that an error belongs there."""
    lines = path.read_text("utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if _EXPECTED.search(line)}


def mypy(files: Sequence[Path], folder: Path) -> Found:
    """Run mypy as strictly as it can be."""
    options = ["--strict", f"--config-file={os.devnull}", f"--cache-dir={folder}", "--explicit-package-bases"]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = _run("mypy", *options, *map(str, files), environment={"MYPYPATH": path})
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Found = defaultdict(dict)
    for match in _MYPY_ERROR.finditer(done.stdout):
        found[(ROOT / match["path"]).resolve()][int(match["line"])] = match["text"]
    return found


def pyright(files: Sequence[Path], folder: Path) -> Found:
    """Run pyright as an editor does."""
    settings = {
        "include": [os.path.relpath(file, folder) for file in files],
        "extraPaths": [str(ROOT / "src"), str(ROOT)],
        "typeCheckingMode": "standard",
    }
    project = folder / "pyrightconfig.json"
    project.write_text(json.dumps(settings), "utf-8")
    done = _run("pyright", "--outputjson", f"--pythonpath={sys.executable}", f"--project={project}")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: Found = defaultdict(dict)
    told = json.loads(done.stdout[done.stdout.index("{") :])
    assert told["summary"]["filesAnalyzed"] >= len(files), done.stdout
    for each in told["generalDiagnostics"]:
        if each["severity"] == "error":
            found[Path(each["file"]).resolve()][each["range"]["start"]["line"] + 1] = each["message"]
    return found


def _run(module: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
