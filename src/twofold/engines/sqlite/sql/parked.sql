-- name, version, key or NULL
SELECT key, position, error FROM twofold_parked WHERE name = ?1 AND version = ?2 AND ?3 IS NULL
UNION ALL
SELECT key, position, error FROM twofold_parked WHERE name = ?1 AND version = ?2 AND key = ?3
ORDER BY position, key
