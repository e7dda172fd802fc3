-- What is known about each read model. Beside these tables lie the read models' own, which the projector makes: a
-- table for each definition, named NAME__FINGERPRINT, and a view NAME over the one that is live.

-- One row a definition. Every batch updates it, so room is left for that on its page.
CREATE TABLE views.twofold_projections (
    name        text COLLATE "C" NOT NULL,                  -- the live name
    fingerprint text COLLATE "C" NOT NULL,                  -- of the definition and code
    history_id  uuid             NOT NULL,                  -- the history that it is made from
    checkpoint  bigint           NOT NULL DEFAULT 0,        -- applied up to this position
    head        bigint           NOT NULL DEFAULT 0,        -- the history's, as the projection last saw it
    live        boolean          NOT NULL DEFAULT false,    -- the live name shows it
    was_live    bigint           NOT NULL DEFAULT 0,        -- counts up at every swap; the highest but one is kept
    epoch       bigint           NOT NULL DEFAULT 0,        -- of the lease; grows whenever another node takes it
    holder      text COLLATE "C",                           -- the node that has the lease; NULL: nobody
    lease       interval         NOT NULL DEFAULT '0',      -- for how long a batch renews it
    lease_until timestamptz      NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (name, fingerprint)
) WITH (fillfactor = 50);

-- Events that could not be applied, and those that wait behind them.
CREATE TABLE views.twofold_parked (
    name        text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,                  -- JSON array of the key's values
    position    bigint           NOT NULL,
    error       text             NOT NULL,                  -- empty for events that wait behind the first
    PRIMARY KEY (name, fingerprint, key, position)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON views.twofold_projections, views.twofold_parked TO twofold_projector;
GRANT SELECT ON views.twofold_projections, views.twofold_parked TO twofold_reader;
