-- name, version, keys, positions, errors
INSERT INTO twofold_parked
SELECT $1, $2, unnest($3::VARCHAR[]), unnest($4::BIGINT[]), unnest($5::VARCHAR[])
