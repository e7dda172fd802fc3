-- {positions}: one or several statements that select positions; limit
SELECT position, type, version, payload, event_id, tags, command_id,
       coalesce(correlation_id, command_id), coalesce(causation_id, command_id), principal, tenant, recorded_at
FROM events WHERE position IN ({positions}) ORDER BY position LIMIT ?
