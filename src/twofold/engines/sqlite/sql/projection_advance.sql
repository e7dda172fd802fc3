-- reached, live, name, version, segment, expected, epoch; returns whether it was live, and nothing where the
-- checkpoint is not the expected one
UPDATE twofold_projections SET checkpoint = ?, ready = max(ready, ?)
WHERE name = ? AND version = ? AND segment = ? AND checkpoint = ? AND epoch = ?
RETURNING live
