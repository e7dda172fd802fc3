-- name, version; what is live no more has to catch up before it is live again
UPDATE twofold_projections
SET live = (version = $2),
    ready = ready AND (version = $2 OR NOT live),
    was_live = CASE WHEN version = $2
        THEN (SELECT max(was_live) + 1 FROM twofold_projections WHERE name = $1)
        ELSE was_live END
WHERE name = $1
