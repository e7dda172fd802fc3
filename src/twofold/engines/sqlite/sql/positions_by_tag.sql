-- tag, after, until, types as a JSON array (empty: any), the same again, limit
SELECT position FROM tags
WHERE tenant = '' AND tag = ? AND position > ? AND position <= ?
  AND (? = '[]' OR type IN (SELECT value FROM json_each(?)))
ORDER BY position LIMIT ?
