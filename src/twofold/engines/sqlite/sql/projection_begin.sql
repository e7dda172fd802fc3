-- name, version, segment, history id, epoch, shape
INSERT OR IGNORE INTO twofold_projections (name, version, segment, history_id, epoch, shape) VALUES (?, ?, ?, ?, ?, ?)
