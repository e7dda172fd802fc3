-- name, version, segment, history id, epoch, shape
INSERT INTO twofold_projections (name, version, segment, history_id, epoch, shape)
SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (SELECT 1 FROM twofold_projections WHERE name = $1 AND version = $2 AND segment = $3)
