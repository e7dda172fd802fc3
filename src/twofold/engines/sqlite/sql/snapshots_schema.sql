-- snapshots.db, schema version 1. Nothing in it is needed: the file may be deleted.

CREATE TABLE snapshots (
    key      TEXT    PRIMARY KEY,       -- JSON array: the write model's name, and the tags of its boundary
    made_of  TEXT    NOT NULL,          -- fingerprint of the model's definition and code
    position INTEGER NOT NULL,          -- of the last event that was folded
    event_id BLOB    NOT NULL,          -- that event's
    state    BLOB    NOT NULL,          -- the model's fields, in MessagePack
    checksum BLOB    NOT NULL           -- SHA-256 of the rest of the row but its key
) STRICT;
