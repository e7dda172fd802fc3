-- first entry, last entry, time
UPDATE ledger SET payload = NULL, tags = '[]', reason = iif(outcome = 'failed', reason, NULL)
WHERE entry BETWEEN ? AND ? AND payload IS NOT NULL AND recorded_at < ?
