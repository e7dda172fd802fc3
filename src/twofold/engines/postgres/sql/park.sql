-- name, version, key, position, error
INSERT INTO views.twofold_parked (name, version, key, position, error) VALUES ($1, $2, $3, $4, $5)
