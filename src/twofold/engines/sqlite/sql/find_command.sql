-- tenant, command_id, principal
SELECT fingerprint, position FROM ledger
WHERE tenant = ? AND command_id = ? AND principal = ? AND iif(outcome = 'accepted', 1, NULL) = 1
