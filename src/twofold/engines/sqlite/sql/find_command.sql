-- tenant, principal, command_id
SELECT type, payload, position FROM ledger
WHERE tenant = ? AND principal = ? AND command_id = ? AND outcome = 'accepted'
