-- tenant, principal, command_id, type, payload, outcome, reason, position, correlation_id, causation_id, recorded_at
INSERT INTO ledger VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
