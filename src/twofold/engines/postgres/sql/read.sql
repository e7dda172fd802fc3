-- types and tags of the criteria, after, until, limit; in the order of Recorded's fields
SELECT * FROM history.read($1, $2, $3, $4, $5)
