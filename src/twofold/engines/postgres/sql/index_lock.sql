-- table. One node at a time makes its indexes, until the end of the transaction; the others wait, and find them there.
SELECT pg_advisory_xact_lock(hashtextextended('twofold indexes of ' || $1, 0))
