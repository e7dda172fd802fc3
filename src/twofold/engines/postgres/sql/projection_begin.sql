-- name, fingerprint, history id
INSERT INTO views.twofold_projections (name, fingerprint, history_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
