-- name, fingerprint
SELECT key, min(position) FROM twofold_parked WHERE name = ? AND fingerprint = ? GROUP BY key
