-- The nodes that project, among which the segments of the read models are shared out; and how fast each segment is.

CREATE TABLE views.twofold_nodes (
    name   text COLLATE "C" PRIMARY KEY,
    tables text[]           NOT NULL,                       -- the tables that it can project, as NAME__VERSION
    until  timestamptz      NOT NULL                        -- it is there until then, unless it says so again
);
GRANT SELECT, INSERT, UPDATE, DELETE ON views.twofold_nodes TO twofold_projector;

ALTER TABLE views.twofold_projections
    ADD COLUMN rate double precision NOT NULL DEFAULT 0,    -- events a second, at the last batch
    ADD COLUMN moved_at timestamptz NOT NULL DEFAULT '-infinity';
