-- history.db, schema version 2. Columns named tenant, and table seals, are room for tenants and for the hash chain.

CREATE TABLE about (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row an event. position is dense and in commit order; payload is the exact JSON as written.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY,
    type           TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    payload        TEXT    NOT NULL,
    event_id       BLOB    NOT NULL,
    tags           TEXT    NOT NULL,          -- JSON array
    command_id     BLOB    NOT NULL,
    correlation_id BLOB,                      -- NULL: the command's own id
    causation_id   BLOB,                      -- NULL: the command's own id
    principal      TEXT    NOT NULL,
    tenant         TEXT    NOT NULL,
    recorded_at    INTEGER NOT NULL           -- microseconds since 1970, UTC
);

CREATE INDEX events_by_type ON events (type);

-- One row a tag of an event: a boundary is one range of this table.
CREATE TABLE tags (
    tenant   TEXT    NOT NULL,
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    type     TEXT    NOT NULL,
    PRIMARY KEY (tenant, tag, position)
) WITHOUT ROWID;

-- One row a decided command; only an accepted one claims its id. payload is NULL, tags are empty and reason is NULL where
-- only the key is kept. A command without events has first = position + 1.
CREATE TABLE ledger (
    entry          INTEGER PRIMARY KEY,
    tenant         TEXT    NOT NULL,
    principal      TEXT    NOT NULL,
    command_id     BLOB    NOT NULL,
    type           TEXT    NOT NULL,
    payload        TEXT,
    fingerprint    BLOB    NOT NULL,          -- SHA-256 of type, a zero byte, payload
    tags           TEXT    NOT NULL,          -- JSON array
    outcome        TEXT    NOT NULL,          -- accepted, rejected, failed
    code           TEXT,
    reason         TEXT,
    first          INTEGER NOT NULL,
    position       INTEGER NOT NULL,          -- what its events reached
    correlation_id BLOB,
    causation_id   BLOB,
    attempts       INTEGER NOT NULL,
    elapsed        INTEGER NOT NULL,          -- microseconds from its sending to the append
    recorded_at    INTEGER NOT NULL
);

CREATE UNIQUE INDEX ledger_decided_once ON ledger
    (tenant, command_id, principal, iif(outcome = 'accepted', 1, NULL));
CREATE INDEX ledger_by_correlation ON ledger (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX ledger_by_causation ON ledger (causation_id) WHERE causation_id IS NOT NULL;

CREATE TABLE seals (
    position INTEGER PRIMARY KEY,
    hash     BLOB    NOT NULL
);
