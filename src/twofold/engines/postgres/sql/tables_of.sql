-- a read model's table, and what the names of its further tables begin with
SELECT tablename::text FROM pg_catalog.pg_tables
WHERE schemaname = 'views' AND (tablename = $1 OR left(tablename, length($2)) = $2)
