-- name, version
SELECT history_id, min(checkpoint) AS checkpoint, bool_and(live) AS live, max(head) AS head,
    max(CASE WHEN lease_until > clock_timestamp() THEN holder END) AS holder
FROM views.twofold_projections WHERE name = $1 AND version = $2 GROUP BY history_id
