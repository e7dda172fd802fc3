-- events that were not applied
CREATE TABLE twofold_parked (
    name        VARCHAR NOT NULL,
    version     VARCHAR NOT NULL,
    key         VARCHAR NOT NULL,   -- JSON array of the key's values
    position    BIGINT  NOT NULL,
    error       VARCHAR NOT NULL    -- empty for events that wait behind the first
)
