-- command ids in hexadecimal, a JSON array; tenant
SELECT principal, command_id, fingerprint, position
FROM json_each(?) AS wanted CROSS JOIN ledger
WHERE tenant = ? AND command_id = unhex(wanted.value) AND iif(outcome = 'accepted', 1, NULL) = 1
