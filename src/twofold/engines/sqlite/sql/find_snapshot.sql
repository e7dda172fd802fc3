-- key
SELECT made_of, position, event_id, state, checksum FROM snapshots WHERE key = ?
