-- tenant, tag, position, type
INSERT INTO tags VALUES (?, ?, ?, ?)
