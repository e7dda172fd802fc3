-- Read models' tables are made and swapped one after another; a node that stops in between holds nobody up for long.
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL lock_timeout = '5s';
SELECT pg_advisory_xact_lock(hashtextextended('twofold views', 0))
