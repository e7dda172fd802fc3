-- name, version, segment, expected checkpoint, epoch, reached, live; returns whether it was live, and nothing where the
-- checkpoint is not the expected one
UPDATE twofold_projections SET checkpoint = $6, ready = ready OR $7
WHERE name = $1 AND version = $2 AND segment = $3 AND checkpoint = $4 AND epoch = $5
RETURNING live
