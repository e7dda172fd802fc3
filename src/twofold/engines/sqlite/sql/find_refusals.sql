-- after, limit
SELECT entry, recorded_at FROM ledger WHERE entry > ? AND outcome <> 'accepted' AND entry < (SELECT max(entry) FROM ledger) ORDER BY entry LIMIT ?
