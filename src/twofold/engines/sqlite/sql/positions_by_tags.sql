-- first tag, after, until, types as a JSON array (empty: any), the same again, all tags as a JSON array, limit
SELECT position FROM tags AS one
WHERE tenant = '' AND tag = ? AND position > ? AND position <= ?
  AND (? = '[]' OR type IN (SELECT value FROM json_each(?)))
  AND NOT EXISTS (
      SELECT 1 FROM json_each(?) AS wanted
      WHERE NOT EXISTS (
          SELECT 1 FROM tags AS other
          WHERE other.tenant = '' AND other.tag = wanted.value AND other.position = one.position))
ORDER BY position LIMIT ?
