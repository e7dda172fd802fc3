-- The last position, and the time of the database's clock in microseconds.
SELECT coalesce(max(position), 0), CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM events
