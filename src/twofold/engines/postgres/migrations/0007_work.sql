-- Decisions that are made in the transaction that stores them, and snapshots of folded write models.
-- Handlers' own tables are made by the writer in the schema `application`.

-- Who decides inside its transaction takes the lock before it reads anything.
GRANT EXECUTE ON FUNCTION history.lock TO twofold_writer;

-- Nothing in it is needed: its rows may be deleted at any time.
CREATE TABLE history.snapshots (
    key      text COLLATE "C" PRIMARY KEY,      -- JSON array: the write model's name, and the tags of its boundary
    made_of  text COLLATE "C" NOT NULL,         -- fingerprint of the model's definition and code
    position bigint           NOT NULL,         -- of the last event that was folded
    event_id bytea            NOT NULL,         -- that event's
    state    bytea            NOT NULL,         -- the model's fields, in MessagePack
    checksum bytea            NOT NULL          -- SHA-256 of the rest of the row but its key
);

CREATE FUNCTION history.find_snapshot(key text) RETURNS SETOF history.snapshots
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    RETURN QUERY SELECT * FROM history.snapshots AS s WHERE s.key = find_snapshot.key;
END
$$;

CREATE FUNCTION history.keep_snapshot(
    key text, made_of text, "position" bigint, event_id bytea, state bytea, checksum bytea
) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO history.snapshots VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (key) DO UPDATE SET made_of = excluded.made_of, position = excluded.position,
        event_id = excluded.event_id, state = excluded.state, checksum = excluded.checksum
$$;

GRANT EXECUTE ON FUNCTION history.find_snapshot, history.keep_snapshot TO twofold_writer;
