-- reached, name, fingerprint, expected; no row is changed where the checkpoint is not the expected one
UPDATE twofold_projections SET checkpoint = ? WHERE name = ? AND fingerprint = ? AND checkpoint = ? RETURNING 1
