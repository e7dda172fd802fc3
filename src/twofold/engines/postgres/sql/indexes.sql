-- tables. The names of their indexes, each with its table.
SELECT tablename, indexname FROM pg_catalog.pg_indexes WHERE schemaname = 'views' AND tablename = ANY ($1::text[])
