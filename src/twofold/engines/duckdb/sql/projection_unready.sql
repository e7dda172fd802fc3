-- name, version
SELECT count(*) FROM twofold_projections WHERE name = $1 AND version = $2 AND NOT ready
