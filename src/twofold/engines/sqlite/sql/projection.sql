-- name, fingerprint
SELECT history_id, checkpoint, live FROM twofold_projections WHERE name = ? AND fingerprint = ?
