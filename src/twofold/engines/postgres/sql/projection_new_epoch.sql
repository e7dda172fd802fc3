-- name, version
UPDATE views.twofold_projections AS one
SET epoch = 1 + (SELECT max(every.epoch) FROM views.twofold_projections AS every WHERE every.name = $1)
WHERE name = $1 AND version = $2
