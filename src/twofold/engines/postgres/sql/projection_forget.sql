-- name, version; returns the epochs that it had
WITH parked AS (DELETE FROM views.twofold_parked WHERE name = $1 AND version = $2)
DELETE FROM views.twofold_projections WHERE name = $1 AND version = $2 RETURNING epoch
