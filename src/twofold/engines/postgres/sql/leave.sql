-- name of the node; those that have long been gone without a word are forgotten with it, and nobody is waited for
DELETE FROM views.twofold_nodes WHERE name IN (
    SELECT name FROM views.twofold_nodes WHERE name = $1 OR until < clock_timestamp() - interval '1 hour'
    FOR UPDATE SKIP LOCKED
)
