-- name, version
SELECT key, min(position) FROM twofold_parked WHERE name = $1 AND version = $2 GROUP BY key
