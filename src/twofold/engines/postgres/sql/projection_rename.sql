-- name, version, new version
UPDATE views.twofold_projections
SET version = $3, holder = NULL, lease_until = '-infinity' WHERE name = $1 AND version = $2
