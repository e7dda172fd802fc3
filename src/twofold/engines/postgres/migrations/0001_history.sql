-- The history: its tables, and what can be asked of it in one line. Texts are compared byte by byte (COLLATE "C").

INSERT INTO history.about (name, value) VALUES ('history_id', gen_random_uuid()::text);

-- One row an event. position is dense and in commit order; payload is the exact JSON as written.
CREATE TABLE history.events (
    position       bigint            PRIMARY KEY,
    type           text COLLATE "C"  NOT NULL,
    version        integer           NOT NULL,
    payload        text              NOT NULL,
    event_id       uuid              NOT NULL,
    tags           text              NOT NULL,  -- JSON array
    command_id     uuid              NOT NULL,
    correlation_id uuid,                        -- NULL: the command's own id
    causation_id   uuid,                        -- NULL: the command's own id
    principal      text COLLATE "C"  NOT NULL,
    tenant         text COLLATE "C"  NOT NULL,
    recorded_at    timestamptz       NOT NULL
);

CREATE INDEX events_by_type ON history.events (type, position);

-- One row a tag of an event: a boundary is one range of this table's index.
CREATE TABLE history.tags (
    tenant   text COLLATE "C" NOT NULL,
    tag      text COLLATE "C" NOT NULL,
    position bigint           NOT NULL,
    type     text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, tag, position) INCLUDE (type)
);

-- One row a decided command, dense and in commit order. Only an accepted one claims its id.
CREATE TABLE history.ledger (
    entry          bigint           PRIMARY KEY,
    tenant         text COLLATE "C" NOT NULL,
    principal      text COLLATE "C" NOT NULL,
    command_id     uuid             NOT NULL,
    type           text COLLATE "C" NOT NULL,
    payload        text,
    fingerprint    bytea            NOT NULL,   -- SHA-256 of the type, a zero byte and the payload
    tags           text             NOT NULL,   -- JSON array
    outcome        text COLLATE "C" NOT NULL CHECK (outcome IN ('accepted', 'rejected', 'failed')),
    code           text,
    reason         text,
    first          bigint           NOT NULL,   -- its events are at first … position; without events it is the next one
    position       bigint           NOT NULL,
    correlation_id uuid,
    causation_id   uuid,
    attempts       integer          NOT NULL,   -- how often it was decided
    elapsed        bigint           NOT NULL,   -- microseconds from sending to the append
    attempt        uuid             NOT NULL,   -- the append that stored it
    recorded_at    timestamptz      NOT NULL
);

CREATE UNIQUE INDEX ledger_decided_once ON history.ledger (tenant, principal, command_id) WHERE outcome = 'accepted';

-- Appends that were given up on, or asked about: if one comes late after all, it is refused.
CREATE TABLE history.voided (
    attempt uuid        PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE history.seals (
    position bigint PRIMARY KEY,
    hash     bytea  NOT NULL
);

-- The history's own id, and how far events and ledger have come.
CREATE FUNCTION history.identify(OUT id uuid, OUT head bigint, OUT entry bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (SELECT value::uuid FROM history.about WHERE name = 'history_id'),
           (SELECT coalesce(max(position), 0) FROM history.events),
           (SELECT coalesce(max(entry), 0) FROM history.ledger)
$$;

-- The position of the last event.
CREATE FUNCTION history.head() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(max(position), 0) FROM history.events $$;

-- The position that an accepted command's events reached, and its fingerprint; no row where there is none.
CREATE FUNCTION history.find(tenant text, principal text, command_id uuid)
RETURNS TABLE ("position" bigint, fingerprint bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
    SELECT l.position, l.fingerprint FROM history.ledger AS l
    WHERE l.tenant = $1 AND l.principal = $2 AND l.command_id = $3 AND l.outcome = 'accepted'
$$;

-- The lock that orders all appends, held to the end of the transaction.
CREATE FUNCTION history.lock() RETURNS void
LANGUAGE sql VOLATILE
AS $$ SELECT pg_catalog.pg_advisory_xact_lock(x'74776f666f6c64'::bigint) $$;  -- "twofold"

GRANT EXECUTE ON FUNCTION history.identify, history.head TO twofold_writer, twofold_projector;
GRANT EXECUTE ON FUNCTION history.find TO twofold_writer;
GRANT SELECT ON history.events, history.tags TO twofold_projector;
