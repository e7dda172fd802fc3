-- name; versions that have been live, but the newest two, and those that never were, were begun a week ago and that
-- nobody projects
SELECT DISTINCT version FROM views.twofold_projections
WHERE name = $1 AND was_live > 0
  AND was_live NOT IN (
      SELECT DISTINCT every.was_live FROM views.twofold_projections AS every WHERE every.name = $1
      ORDER BY 1 DESC LIMIT 2
  )
UNION
SELECT version FROM views.twofold_projections WHERE name = $1
GROUP BY version
HAVING max(was_live) = 0 AND max(greatest(begun, lease_until)) < clock_timestamp() - interval '7 days'
