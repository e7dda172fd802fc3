-- {wanted}: conditions on the entry, {order}: ASC or DESC; limit
SELECT entry, command_id, type, payload, fingerprint, tags, principal, tenant, outcome, code, reason, first, position,
       coalesce(correlation_id, command_id), coalesce(causation_id, command_id), attempts, elapsed, recorded_at
FROM ledger WHERE {wanted} ORDER BY entry {order} LIMIT ?
