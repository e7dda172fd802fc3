-- name
SELECT version, min(shape), min(checkpoint), max(live), max(was_live) > 0 FROM twofold_projections
WHERE name = ? GROUP BY version
