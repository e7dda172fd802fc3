-- fingerprint, fingerprint, name
UPDATE twofold_projections
SET live = (fingerprint = ?),
    was_live = CASE WHEN fingerprint = ?
        THEN (SELECT max(was_live) + 1 FROM twofold_projections AS all_of WHERE all_of.name = twofold_projections.name)
        ELSE was_live END
WHERE name = ?
