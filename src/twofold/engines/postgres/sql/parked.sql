-- name, version, key or NULL
SELECT key, position, error FROM views.twofold_parked
WHERE name = $1 AND version = $2 AND ($3::text IS NULL OR key = $3)
ORDER BY position, key
