-- type, after, until, limit; the index is named, lest the planner scan the whole history for a rare type
SELECT position FROM events INDEXED BY events_by_type
WHERE type = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?
