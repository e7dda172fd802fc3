-- name, fingerprint, expected, reached, epoch, head, and of the parked events: keys, positions, errors;
-- {stored} is what becomes of the rows. Returns whether it was live, and nothing where nothing was stored.
WITH moved AS (
    UPDATE views.twofold_projections
    SET checkpoint = $4, head = greatest(head, $6),
        lease_until = CASE WHEN holder IS NULL THEN lease_until ELSE clock_timestamp() + lease END
    WHERE name = $1 AND fingerprint = $2 AND checkpoint = $3 AND epoch = $5
    RETURNING live
), parked AS (
    INSERT INTO views.twofold_parked (name, fingerprint, key, position, error)
    SELECT $1, $2, sent.* FROM unnest($7::text[], $8::bigint[], $9::text[]) AS sent WHERE EXISTS (SELECT FROM moved)
){stored}
SELECT live FROM moved
