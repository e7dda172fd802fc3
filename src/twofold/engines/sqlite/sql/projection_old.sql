-- name, name; versions that have been live, but the newest two
SELECT fingerprint FROM twofold_projections
WHERE name = ? AND was_live > 0
  AND was_live < (SELECT max(was_live) - 1 FROM twofold_projections WHERE name = ?)
