-- new version, name, version
UPDATE twofold_parked SET version = ? WHERE name = ? AND version = ?
