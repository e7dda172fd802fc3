-- name, fingerprint, history id
INSERT OR IGNORE INTO twofold_projections (name, fingerprint, history_id, checkpoint) VALUES (?, ?, ?, 0)
