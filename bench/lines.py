"""The lines that a user writes for the profile application, in each system; each file is run before it is counted."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import tokenize
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from examples.profiles.app import GetProfile, RegisterUser, UpdateProfile, app

from bench.over_http import crud_serving, profile_over_http
from bench.peers import environment
from bench.postgres.server import Server, place_of, server
from bench.result import Row, Target, check, row
from bench.rounds import Run

ROOT = Path(__file__).resolve().parent.parent
_EXPECTED = {"name": "Ada Lovelace", "bio": "the first programmer", "updates": 1}
_UNCOUNTED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}


def lines_of(source: str) -> int:
    """Count the lines that hold code: no blank ones, no comments, no docstrings."""
    told = {
        number
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node)
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    held = {
        number
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _UNCOUNTED and token.type != tokenize.ENDMARKER
        for number in range(token.start[0], token.end[0] + 1)
    }
    return len(held - told)


def measure(run: Run) -> Sequence[Row]:
    """Run each application once, check what it answers, and count its lines."""
    with server() as place, run.new_folder() as folder:
        _same("Twofold", asyncio.run(_twofold()))
        _same("eventsourcing", _eventsourcing(place))
        _same("Protean", environment.run("protean_work"))
        _same("FastAPI and SQLAlchemy", _crud(place, folder))
    peers = ROOT / "bench" / "peers"
    counted = {
        "Twofold": (ROOT / "examples" / "profiles" / "app.py", "with HTTP, command line, SQLite and PostgreSQL"),
        "eventsourcing": (peers / "eventsourcing_app.py", "without HTTP and command line; read model on PostgreSQL"),
        "Protean": (peers / "protean_app.py", "without HTTP and command line; its event store in memory"),
        "FastAPI and SQLAlchemy": (peers / "crud_profiles.py", "with HTTP; no events, no history"),
    }
    return [
        row(
            f"lines, {name}", f"the profile application, {what}", "lines", [float(lines_of(file.read_text("utf-8")))],
            target=Target(at_most=60) if name == "Twofold" else None,
        )
        for name, (file, what) in counted.items()
    ]  # fmt: skip


def _same(name: str, found: Mapping[str, Any]) -> None:
    answer = {key: found.get(key) for key in _EXPECTED}
    check(answer == _EXPECTED, f"the application written for {name} answered {answer}, expected {_EXPECTED}")


async def _twofold() -> dict[str, Any]:
    user = uuid4()
    async with app.open("memory:") as node:
        await node.send(RegisterUser(user, "Ada"))
        receipt = await node.send(UpdateProfile(user, "Ada Lovelace", "the first programmer"))
        profile = await node.ask(GetProfile(user), after=receipt)
    assert profile is not None
    return {"name": profile.name, "bio": profile.bio, "updates": profile.updates}


def _eventsourcing(place: Server) -> dict[str, Any]:
    found: dict[str, Any] = environment.run(
        "eventsourcing_work", "check", "postgres", place_of(place.database()), 1, "[]"
    )
    return found


def _crud(place: Server, folder: Path) -> dict[str, Any]:
    user = str(uuid4())
    with crud_serving(place, folder) as port:
        _posted(port, "RegisterUser", {"user_id": user, "name": "Ada"})
        _posted(port, "UpdateProfile", {"user_id": user, "name": "Ada Lovelace", "bio": "the first programmer"})
        return profile_over_http(port, user) or {}


def _posted(port: int, name: str, fields: Mapping[str, str]) -> None:
    body, headers = json.dumps(fields).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/commands/{name}", body, headers)
    with urllib.request.urlopen(request) as answer:
        check(answer.status == 200, f"{name} was answered with {answer.status}")
