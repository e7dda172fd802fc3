-- name, version; returns the epochs that it had
DELETE FROM twofold_projections WHERE name = $1 AND version = $2 RETURNING epoch
