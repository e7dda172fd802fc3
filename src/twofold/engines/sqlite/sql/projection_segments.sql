-- name, version
SELECT checkpoint FROM twofold_projections WHERE name = ? AND version = ? ORDER BY segment
