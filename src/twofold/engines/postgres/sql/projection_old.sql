-- name; versions that have been live, but the newest two
SELECT DISTINCT version FROM views.twofold_projections
WHERE name = $1 AND was_live > 0
  AND was_live NOT IN (
      SELECT DISTINCT every.was_live FROM views.twofold_projections AS every WHERE every.name = $1
      ORDER BY 1 DESC LIMIT 2
  )
