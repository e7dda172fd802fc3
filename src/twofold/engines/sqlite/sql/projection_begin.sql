-- name, version, segment, history id, epoch
INSERT OR IGNORE INTO twofold_projections (name, version, segment, history_id, epoch) VALUES (?, ?, ?, ?, ?)
