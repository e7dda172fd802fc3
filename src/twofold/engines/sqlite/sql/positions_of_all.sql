-- after, until, limit
SELECT position FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?
