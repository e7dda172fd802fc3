-- name, fingerprint
SELECT key, min(position) FROM views.twofold_parked WHERE name = $1 AND fingerprint = $2 GROUP BY key
