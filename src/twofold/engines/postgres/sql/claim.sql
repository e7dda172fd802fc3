-- name, fingerprint, holder, seconds; returns who has the lease then, and for how many seconds
WITH taken AS (
    UPDATE views.twofold_projections
    SET epoch = epoch + (holder IS DISTINCT FROM $3)::integer,
        holder = $3,
        lease = make_interval(secs => $4),
        lease_until = clock_timestamp() + make_interval(secs => $4)
    WHERE name = $1 AND fingerprint = $2
      AND (holder IS NULL OR holder = $3 OR lease_until <= clock_timestamp())
    RETURNING epoch, holder, $4::double precision AS seconds
)
SELECT epoch, holder, seconds, true AS mine FROM taken
UNION ALL
SELECT epoch, holder, extract(epoch FROM lease_until - clock_timestamp())::double precision, false
FROM views.twofold_projections
WHERE name = $1 AND fingerprint = $2 AND NOT EXISTS (SELECT FROM taken)
