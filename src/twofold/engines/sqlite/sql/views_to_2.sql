-- brings views.db from schema version 1 to 2
ALTER TABLE twofold_projections RENAME TO twofold_projections_1;
CREATE TABLE twofold_projections (
    name        TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    segment     INTEGER NOT NULL,
    history_id  TEXT    NOT NULL,
    checkpoint  INTEGER NOT NULL DEFAULT 0,
    epoch       INTEGER NOT NULL DEFAULT 0,
    ready       INTEGER NOT NULL DEFAULT 0,
    live        INTEGER NOT NULL DEFAULT 0,
    was_live    INTEGER NOT NULL DEFAULT 0,
    shape       TEXT    NOT NULL DEFAULT '',
    begun       INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (name, version, segment)
) STRICT, WITHOUT ROWID;
INSERT INTO twofold_projections (name, version, segment, history_id, checkpoint, ready, live, was_live)
    SELECT name, fingerprint, 0, history_id, checkpoint, live, live, was_live FROM twofold_projections_1;
DROP TABLE twofold_projections_1;
ALTER TABLE twofold_parked RENAME COLUMN fingerprint TO version;
