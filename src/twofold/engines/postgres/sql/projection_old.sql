-- name; versions that have been live, but the newest two
SELECT fingerprint FROM views.twofold_projections
WHERE name = $1 AND was_live > 0
  AND was_live < (SELECT max(every.was_live) - 1 FROM views.twofold_projections AS every WHERE every.name = $1)
