-- views.db, schema version 1. Beside these tables lie the read models' own: a table for each definition, named
-- NAME__FINGERPRINT, and a view NAME over the one that is live.

CREATE TABLE twofold_projections (
    name        TEXT    NOT NULL,             -- the live name
    fingerprint TEXT    NOT NULL,             -- of the definition and code
    history_id  TEXT    NOT NULL,             -- the history that it is made from
    checkpoint  INTEGER NOT NULL,             -- applied up to this position
    live        INTEGER NOT NULL DEFAULT 0,   -- 1: the live name shows it
    was_live    INTEGER NOT NULL DEFAULT 0,   -- counts up at every swap; the highest but one is kept for undoing
    PRIMARY KEY (name, fingerprint)
) STRICT;

CREATE TABLE twofold_parked (
    name        TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    key         TEXT    NOT NULL,             -- JSON array of the key's values
    position    INTEGER NOT NULL,
    error       TEXT    NOT NULL,             -- empty for events that wait behind the first
    PRIMARY KEY (name, fingerprint, key, position)
) STRICT, WITHOUT ROWID;
