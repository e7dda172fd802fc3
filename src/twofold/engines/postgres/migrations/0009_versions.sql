-- Versions of a read model that are kept: whether another one's rows can be read as this one's, and how old it is.
ALTER TABLE views.twofold_projections
    ADD COLUMN shape text COLLATE "C" NOT NULL DEFAULT '',                      -- of the columns and the key
    ADD COLUMN begun timestamptz NOT NULL DEFAULT clock_timestamp();
