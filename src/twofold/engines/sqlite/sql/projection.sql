-- name, version
SELECT history_id, min(checkpoint), max(live) FROM twofold_projections WHERE name = ? AND version = ? GROUP BY history_id
