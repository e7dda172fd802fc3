-- history.db from schema version 1 to 2: the ledger tells more. fingerprint(type, payload) is given by the program.

DROP INDEX ledger_decided_once;
ALTER TABLE ledger RENAME TO ledger_1;

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

INSERT INTO ledger
SELECT entry, tenant, principal, command_id, type, payload, fingerprint(type, payload), '[]',
       iif(outcome = 'accepted', 'accepted', 'rejected'),
       iif(outcome = 'accepted', NULL, substr(outcome, length('rejected:') + 1)),
       reason,
       iif(outcome = 'accepted', coalesce(first, position + 1), position + 1),
       position, correlation_id, causation_id, 1, 0, recorded_at
FROM ledger_1
LEFT JOIN (SELECT tenant, principal, command_id, min(position) AS first FROM events GROUP BY tenant, principal, command_id)
    USING (tenant, principal, command_id)
ORDER BY entry;

DROP TABLE ledger_1;
