-- name, version
SELECT count(*) FROM twofold_projections WHERE name = ? AND version = ? AND ready = 0
