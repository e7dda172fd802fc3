"""`twofold db`: a database is made ready from the shell, and tells how it stands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.cli.conftest import Ended
from twofold.cli.status import Status
from twofold.engines.postgres import schema
from twofold.testing import PostgresServer

Run = Callable[..., Ended]
NAMES = [migration.name for migration in schema.MIGRATIONS]


def test_a_database_is_made_ready_once(cli: Run, people: Run, database: str) -> None:
    before = cli("db", "status", database)
    assert before.status == Status.STORE
    assert (before.json["version"], before.json["pending"]) == (0, NAMES)
    assert "twofold db init" in before.err
    made = cli("db", "init", database)
    assert (made.status, made.err) == (0, "")
    assert made.json["ran"] == NAMES
    again = people("db", "init", database)
    assert (again.status, again.err) == (0, "")
    assert again.out.endswith(f"is ready: schema version {len(NAMES)}\n")
    assert "ran" not in again.out
    after = cli("db", "status", database)
    assert after.status == 0
    assert (after.json["version"], after.json["known"], after.json["pending"]) == (len(NAMES), len(NAMES), [])
    assert after.json["missing"] == []
    shown = people("db", "status", database)
    assert f"PostgreSQL {after.json['server']}" in " ".join(shown.out.split()) or str(after.json["server"]) in shown.out


def test_the_sql_is_printed_for_psql_and_nothing_is_changed(
    cli: Run, database: str, postgres_server: PostgresServer
) -> None:
    printed = cli("db", "init", database, "--dry-run")
    assert printed.out.startswith("-- roles and schemas\nBEGIN;\n")
    assert cli("db", "init", database, "--dry-run", "--json").json["sql"] == printed.out
    assert cli("db", "status", database).json["version"] == 0
    if not postgres_server.own:
        pytest.skip("psql comes with a server of the tests' own")
    psql = [str(postgres_server.binary("psql")), "--set=ON_ERROR_STOP=1", "--quiet", "--file=-", database]
    subprocess.run(psql, input=printed.out.encode(), check=True, capture_output=True)
    assert cli("db", "status", database).status == 0


def test_the_url_may_come_from_the_environment(cli: Run, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_URL", database)
    assert cli("db", "init").status == 0


@pytest.mark.parametrize("what", ["init", "status"])
def test_what_is_no_database_is_refused_and_no_secret_is_shown(cli: Run, database: str, what: str) -> None:
    wrong = {
        "sqlite:///data": "expected postgresql://",
        "memory:": "expected postgresql://",
        database.replace("/twofold_", "/nosuch_"): "there is no such database",
        database.replace("postgres:", "postgres:hunter2"): "refuses the user or the password",
        "postgresql://u:hunter2@127.0.0.1:1/x": "nobody answers there",
        "postgresql://u:hunt@er2@127.0.0.1/x": "write %40 for @",
        "mysql://u:hunter2@127.0.0.1/x": "another scheme",
    }
    for url, problem in wrong.items():
        ended = cli("db", what, url)
        assert (ended.status, ended.out) == (Status.STORE, ""), url
        assert problem in ended.err
        assert "hunter2" not in ended.err
        assert "er2@" not in ended.err
