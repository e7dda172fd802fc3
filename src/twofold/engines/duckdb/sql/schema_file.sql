-- what the file is; one row
CREATE TABLE twofold_file (
    application VARCHAR NOT NULL,
    version     INTEGER NOT NULL   -- of these tables
)
