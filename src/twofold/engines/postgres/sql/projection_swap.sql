-- name, fingerprint
UPDATE views.twofold_projections AS one
SET live = (fingerprint = $2),
    was_live = CASE WHEN fingerprint = $2
        THEN (SELECT max(every.was_live) + 1 FROM views.twofold_projections AS every WHERE every.name = $1)
        ELSE was_live END
WHERE name = $1
