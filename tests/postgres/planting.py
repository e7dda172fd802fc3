"""Mistakes planted in the SQL of a database: its functions made again from the migrations, with a piece replaced."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.engines.postgres import schema
from twofold.testing import PostgresServer

Change = tuple[str, str]


def plant(server: PostgresServer, url: str, changes: Sequence[Change]) -> None:
    """Replace pieces of text in the functions of a database that has Twofold's schema."""
    for old, _ in changes:
        assert any(old in migration.text for migration in schema.MIGRATIONS), f"no migration holds {old!r}"
    for migration in schema.MIGRATIONS:
        if any(old in migration.text for old, _ in changes):
            server.execute(_planted(migration.text, changes), url)


def _planted(text: str, changes: Sequence[Change]) -> str:
    for old, new in changes:
        text = text.replace(old, new)
    again = text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
        "CREATE VIEW", "CREATE OR REPLACE VIEW"
    )
    return f"SET ROLE twofold_owner; SET search_path = pg_catalog, pg_temp; {again}"
