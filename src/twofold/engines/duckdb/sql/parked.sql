-- name, version, key or NULL for all
SELECT key, position, error FROM twofold_parked
WHERE name = $1 AND version = $2 AND ($3::VARCHAR IS NULL OR key = $3)
ORDER BY position, key
