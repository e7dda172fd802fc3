-- Read models in segments, which nodes project side by side; and spares, in which a read model is built anew.
ALTER TABLE views.twofold_projections RENAME COLUMN fingerprint TO version;     -- FINGERPRINT, or FINGERPRINT_spare
ALTER TABLE views.twofold_projections
    ADD COLUMN segment integer NOT NULL DEFAULT 0,
    ADD COLUMN ready boolean NOT NULL DEFAULT false;                            -- this segment has caught up once
UPDATE views.twofold_projections SET ready = live;
ALTER TABLE views.twofold_projections
    DROP CONSTRAINT twofold_projections_pkey,
    ADD PRIMARY KEY (name, version, segment);
ALTER TABLE views.twofold_parked RENAME COLUMN fingerprint TO version;
