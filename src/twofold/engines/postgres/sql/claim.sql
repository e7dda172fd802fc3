-- name, version, segment, holder, seconds; returns who has the lease then, and for how many seconds
WITH taken AS (
    UPDATE views.twofold_projections
    SET epoch = epoch + (holder IS DISTINCT FROM $4)::integer,
        holder = $4,
        lease = make_interval(secs => $5),
        lease_until = clock_timestamp() + make_interval(secs => $5)
    WHERE name = $1 AND version = $2 AND segment = $3
      AND (holder IS NULL OR holder = $4 OR lease_until <= clock_timestamp())
    RETURNING epoch, holder, $5::double precision AS seconds
)
SELECT epoch, holder, seconds, true AS mine FROM taken
UNION ALL
SELECT epoch, holder, extract(epoch FROM lease_until - clock_timestamp())::double precision, false
FROM views.twofold_projections
WHERE name = $1 AND version = $2 AND segment = $3 AND NOT EXISTS (SELECT FROM taken)
