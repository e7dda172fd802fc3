-- views.db, schema version 2. Beside these tables lie the read models' own: a table for each definition, named
-- NAME__VERSION, and a view NAME over the one that is live.

CREATE TABLE twofold_projections (
    name        TEXT    NOT NULL,             -- the live name
    version     TEXT    NOT NULL,             -- fingerprint of the definition and code; FINGERPRINT_spare beside it
    segment     INTEGER NOT NULL,             -- 0 to the number of segments less one
    history_id  TEXT    NOT NULL,             -- the history that it is made from
    checkpoint  INTEGER NOT NULL DEFAULT 0,   -- applied up to this position
    epoch       INTEGER NOT NULL DEFAULT 0,   -- grows whenever rows are changed by other hands than the projection's
    ready       INTEGER NOT NULL DEFAULT 0,   -- 1: this segment has caught up once
    live        INTEGER NOT NULL DEFAULT 0,   -- 1: the live name shows it
    was_live    INTEGER NOT NULL DEFAULT 0,   -- counts up at every swap; the highest but one is kept for undoing
    shape       TEXT    NOT NULL DEFAULT '',  -- tells which other versions have the same columns
    begun       INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (name, version, segment)
) STRICT, WITHOUT ROWID;

CREATE TABLE twofold_parked (
    name        TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    key         TEXT    NOT NULL,             -- JSON array of the key's values
    position    INTEGER NOT NULL,
    error       TEXT    NOT NULL,             -- empty for events that wait behind the first
    PRIMARY KEY (name, version, key, position)
) STRICT, WITHOUT ROWID;
