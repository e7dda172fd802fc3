-- name, version, key
DELETE FROM views.twofold_parked WHERE name = $1 AND version = $2 AND key = $3 RETURNING position
