-- tenant, principal, command_id, type, payload, fingerprint, tags, outcome, code, reason, first, position, correlation_id,
-- causation_id, attempts, elapsed, recorded_at
INSERT INTO ledger VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
