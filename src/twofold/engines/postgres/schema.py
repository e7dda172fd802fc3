"""The schema of a database: the migrations that make it, one after another, and its version, the last one's number."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import PurePath

import msgspec

_FILES = resources.files("twofold.engines.postgres")
_NAME = re.compile(r"(\d{4})_\w+\.sql")
_SAID = "Twofold's: schema version {}; made by `twofold db init`"
_VERSION = re.compile(r"schema version (\d+)")
# A name must not mean what somebody else has put into the database.
PATH = "SET LOCAL search_path = pg_catalog, pg_temp;\n"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('twofold db init', 0));\n"
# Other sessions are not made to wait for a lock that is itself waited for.
_PATIENCE = "SET LOCAL lock_timeout = '10s';\nSET LOCAL statement_timeout = 0;\n"


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema. Its text runs once, as `twofold_owner`, with names looked for in pg_catalog alone."""

    number: int
    name: str
    text: str


def _migrations() -> tuple[Migration, ...]:
    found = sorted(file.name for file in (_FILES / "migrations").iterdir() if _NAME.fullmatch(file.name))
    texts = [(PurePath(name).stem, (_FILES / "migrations" / name).read_text("utf-8")) for name in found]
    return tuple(Migration(int(name[:4]), name, text) for name, text in texts)


MIGRATIONS = _migrations()


def known() -> int:
    """Return the version that this Twofold needs and makes."""
    return len(MIGRATIONS)


def version_in(about: str | None) -> int | None:
    """Return the version that the comment on the schema `history` tells, which every role may read."""
    found = _VERSION.search(about or "")
    return int(found[1]) if found else None


def begin() -> str:
    """Return the statements that begin a step: one after another, whoever runs them."""
    return PATH + _LOCK + _PATIENCE


def setup() -> str:
    """Return the SQL that makes the roles and the empty schemas, or leaves them as they are."""
    return "".join((_FILES / "setup" / name).read_text("utf-8") for name in ("roles.sql", "schemas.sql"))


def step(migration: Migration) -> str:
    """Return the SQL of a migration; it fails where the one before it has not run, or where it has run itself."""
    before, number = migration.number - 1, migration.number
    return f"""\
SET LOCAL ROLE twofold_owner;
DO $$ BEGIN
    IF {before} <> coalesce((SELECT value::int FROM history.about WHERE name = 'schema_version'), 0) THEN
        RAISE 'migration {migration.name} comes after schema version {before}';
    END IF;
END $$;
{migration.text}
INSERT INTO history.about (name, value) VALUES ('schema_version', '{number}')
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
{comment(number)}"""


def comment(version: int) -> str:
    """Return the SQL that tells everybody the schema's version; `history.about` is only for who may read it."""
    said = _SAID.format(version).replace("'", "''")
    return f"COMMENT ON SCHEMA history IS '{said}';\n"
