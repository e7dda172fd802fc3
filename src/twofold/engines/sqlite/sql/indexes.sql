-- table, another one. The names of their indexes, each with its table.
SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' AND tbl_name IN (?, ?)
