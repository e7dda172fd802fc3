-- A row for each segment of a read model's table. There is one writer, so that keys are unique without an index, which
-- could not have its values exchanged in one transaction.
CREATE TABLE twofold_projections (
    name        VARCHAR     NOT NULL,                 -- the live name
    version     VARCHAR     NOT NULL,                 -- fingerprint of the definition and code; FINGERPRINT_spare beside it
    segment     INTEGER     NOT NULL,                 -- 0 to the number of segments less one
    history_id  VARCHAR     NOT NULL,                 -- the history that it is made from
    checkpoint  BIGINT      NOT NULL DEFAULT 0,       -- applied up to this position
    epoch       BIGINT      NOT NULL DEFAULT 0,       -- grows whenever rows are changed by other hands than the projection's
    ready       BOOLEAN     NOT NULL DEFAULT false,   -- this segment has caught up once
    live        BOOLEAN     NOT NULL DEFAULT false,   -- the live name shows it
    was_live    BIGINT      NOT NULL DEFAULT 0,       -- counts up at every swap; the highest but one is kept for undoing
    shape       VARCHAR     NOT NULL,                 -- tells which other versions have the same columns
    begun       TIMESTAMPTZ NOT NULL DEFAULT now()
)
