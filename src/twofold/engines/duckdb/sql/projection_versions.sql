-- name
SELECT version, min(shape), min(checkpoint), bool_or(live), max(was_live) > 0 FROM twofold_projections
WHERE name = $1 GROUP BY version
