-- reached, name, fingerprint, expected; returns whether it was live, and nothing where the
-- checkpoint is not the expected one
UPDATE twofold_projections SET checkpoint = ? WHERE name = ? AND fingerprint = ? AND checkpoint = ? RETURNING live
