-- name, version, segment
SELECT checkpoint, epoch, ready, live FROM twofold_projections WHERE name = ? AND version = ? AND segment = ?
