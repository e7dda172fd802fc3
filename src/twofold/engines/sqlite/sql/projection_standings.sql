-- name, version
SELECT checkpoint, epoch, ready, live FROM twofold_projections WHERE name = ? AND version = ? ORDER BY segment
