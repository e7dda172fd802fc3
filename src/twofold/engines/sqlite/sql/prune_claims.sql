-- first entry, last entry, time
DELETE FROM ledger
WHERE entry BETWEEN ? AND ? AND outcome = 'accepted' AND recorded_at < ?
