-- name, fingerprint, holder
UPDATE views.twofold_projections SET holder = NULL, lease_until = '-infinity'
WHERE name = $1 AND fingerprint = $2 AND holder = $3
RETURNING epoch
