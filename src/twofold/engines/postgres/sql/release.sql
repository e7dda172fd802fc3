-- name, version, segment, holder
UPDATE views.twofold_projections SET holder = NULL, lease_until = '-infinity'
WHERE name = $1 AND version = $2 AND segment = $3 AND holder = $4
RETURNING epoch
