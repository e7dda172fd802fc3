-- key, made_of, position, event_id, state, checksum
SELECT history.keep_snapshot($1, $2, $3, $4, $5, $6)
