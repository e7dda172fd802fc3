-- new version, name, version
UPDATE twofold_projections SET version = ? WHERE name = ? AND version = ?
