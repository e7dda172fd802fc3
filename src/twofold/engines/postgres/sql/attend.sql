-- name of the node, tables, seconds
INSERT INTO views.twofold_nodes (name, tables, until) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE SET tables = excluded.tables, until = excluded.until
