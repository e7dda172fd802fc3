-- name, version; returns the epochs that it had
DELETE FROM twofold_projections WHERE name = ? AND version = ? RETURNING epoch
