-- key, made_of, position, event_id, state, checksum
INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?)
