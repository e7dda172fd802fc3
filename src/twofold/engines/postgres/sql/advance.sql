-- name, version, segment, expected, reached, epoch, head, caught up?, and of the parked events: keys, positions,
-- errors; and the rate; {stored} is what becomes of the rows. Returns whether it was live, and nothing where nothing was stored.
WITH moved AS (
    UPDATE views.twofold_projections
    SET checkpoint = $5, head = greatest(head, $7), ready = ready OR $8, rate = $12, moved_at = clock_timestamp(),
        lease_until = CASE WHEN holder IS NULL THEN lease_until ELSE clock_timestamp() + lease END
    WHERE name = $1 AND version = $2 AND segment = $3 AND checkpoint = $4 AND epoch = $6
    RETURNING live
), parked AS (
    INSERT INTO views.twofold_parked (name, version, key, position, error)
    SELECT $1, $2, sent.* FROM unnest($9::text[], $10::bigint[], $11::text[]) AS sent WHERE EXISTS (SELECT FROM moved)
){stored}
SELECT live FROM moved
