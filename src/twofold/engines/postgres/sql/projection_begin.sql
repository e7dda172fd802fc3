-- name, version, history id, segments, epoch, shape
INSERT INTO views.twofold_projections (name, version, history_id, segment, epoch, shape)
SELECT $1, $2, $3, segment, $5, $6 FROM generate_series(0, $4::integer - 1) AS segment
ON CONFLICT DO NOTHING
