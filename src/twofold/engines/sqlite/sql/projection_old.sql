-- name, name; versions that have been live, but the newest two
SELECT DISTINCT version FROM twofold_projections
WHERE name = ? AND was_live > 0
  AND was_live NOT IN (SELECT DISTINCT was_live FROM twofold_projections WHERE name = ? ORDER BY 1 DESC LIMIT 2)
