-- name, fingerprint
SELECT history_id, checkpoint, live, epoch, head, CASE WHEN lease_until > clock_timestamp() THEN holder END AS holder
FROM views.twofold_projections WHERE name = $1 AND fingerprint = $2
