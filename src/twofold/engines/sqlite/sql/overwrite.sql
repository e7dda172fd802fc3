-- Changes a row that means nothing, so that COMMIT writes to the log.
INSERT INTO about VALUES ('overwritten', '1') ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1
