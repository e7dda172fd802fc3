-- name; versions that have been live, but the newest two, and those that never were and were begun a week ago
SELECT DISTINCT version FROM twofold_projections
WHERE name = $1 AND was_live > 0
  AND was_live NOT IN (SELECT DISTINCT was_live FROM twofold_projections WHERE name = $1 ORDER BY 1 DESC LIMIT 2)
UNION
SELECT version FROM twofold_projections WHERE name = $1 AND was_live = 0 AND begun < now() - INTERVAL 7 DAY
