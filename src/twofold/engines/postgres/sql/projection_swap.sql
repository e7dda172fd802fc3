-- name, version; what is live no more has to catch up before it is live again
UPDATE views.twofold_projections AS one
SET live = (version = $2),
    ready = ready AND (version = $2 OR NOT live),
    was_live = CASE WHEN version = $2
        THEN (SELECT max(every.was_live) + 1 FROM views.twofold_projections AS every WHERE every.name = $1)
        ELSE was_live END
WHERE name = $1
