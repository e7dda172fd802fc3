-- name, version
SELECT checkpoint, epoch, ready, live FROM views.twofold_projections WHERE name = $1 AND version = $2 ORDER BY segment
