-- name, version; while there are no events, the rate falls as it does with batches of none
SELECT checkpoint, CASE WHEN lease_until > clock_timestamp() THEN holder END AS holder,
    CASE WHEN rate > 0 AND moved_at > clock_timestamp() - interval '5 minutes'
        THEN rate * exp(-extract(epoch FROM clock_timestamp() - moved_at)::double precision / 10)
        ELSE 0 END AS rate
FROM views.twofold_projections WHERE name = $1 AND version = $2 ORDER BY segment
