-- position, type, version, payload, event_id, tags, command_id, correlation_id, causation_id, principal, tenant, recorded_at
INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
