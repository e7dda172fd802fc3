-- name, fingerprint, key, position, error
INSERT INTO twofold_parked VALUES (?, ?, ?, ?, ?)
