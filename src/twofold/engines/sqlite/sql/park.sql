-- name, version, key, position, error
INSERT INTO twofold_parked VALUES (?, ?, ?, ?, ?)
