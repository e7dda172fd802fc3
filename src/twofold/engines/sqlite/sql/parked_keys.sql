-- name, version
SELECT key, min(position) FROM twofold_parked WHERE name = ? AND version = ? GROUP BY key
