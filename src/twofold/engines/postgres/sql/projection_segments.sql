-- name, version
SELECT checkpoint, CASE WHEN lease_until > clock_timestamp() THEN holder END AS holder
FROM views.twofold_projections WHERE name = $1 AND version = $2 ORDER BY segment
