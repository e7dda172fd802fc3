-- key
SELECT made_of, position, event_id, state, checksum FROM history.find_snapshot($1)
