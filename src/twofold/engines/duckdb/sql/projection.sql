-- name, version
SELECT history_id, min(checkpoint), bool_or(live) FROM twofold_projections
WHERE name = $1 AND version = $2 GROUP BY history_id
