-- after, limit
SELECT entry, recorded_at FROM ledger WHERE entry > ? AND payload IS NOT NULL ORDER BY entry LIMIT ?
