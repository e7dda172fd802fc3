-- name, version
SELECT FROM views.twofold_projections WHERE name = $1 AND version = $2 AND NOT ready
