-- name, fingerprint
WITH parked AS (DELETE FROM views.twofold_parked WHERE name = $1 AND fingerprint = $2)
DELETE FROM views.twofold_projections WHERE name = $1 AND fingerprint = $2
