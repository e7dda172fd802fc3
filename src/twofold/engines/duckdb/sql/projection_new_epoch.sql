-- name, version
UPDATE twofold_projections SET epoch = 1 + (SELECT max(epoch) FROM twofold_projections WHERE name = $1)
WHERE name = $1 AND version = $2
