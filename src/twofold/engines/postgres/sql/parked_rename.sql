-- name, version, new version
UPDATE views.twofold_parked SET version = $3 WHERE name = $1 AND version = $2
