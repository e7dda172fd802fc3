-- The schemas, what each role may do in them, and what is known about the history: its id, its schema's version.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['history', 'views', 'application'] LOOP
        IF to_regnamespace(wanted) IS NULL THEN
            EXECUTE format('CREATE SCHEMA %I AUTHORIZATION twofold_owner', wanted);
        ELSIF (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = wanted) <> 'twofold_owner'::regrole THEN
            RAISE duplicate_schema USING MESSAGE = format('there is a schema named %s already that is not Twofold''s', wanted);
        END IF;
    END LOOP;
END
$$;

SET LOCAL ROLE twofold_owner;
REVOKE ALL ON SCHEMA history, views, application FROM PUBLIC;
GRANT USAGE ON SCHEMA history TO twofold_writer, twofold_projector;
GRANT USAGE, CREATE ON SCHEMA views TO twofold_projector;
GRANT USAGE, CREATE ON SCHEMA application TO twofold_writer;
GRANT USAGE ON SCHEMA views TO twofold_reader;
-- What everybody may do with a new function or type, unless it is taken away.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
CREATE TABLE IF NOT EXISTS history.about (
    name text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

-- Read models are tables of the projector's; whatever it makes, readers may read.
SET LOCAL ROLE twofold_projector;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA views GRANT SELECT ON TABLES TO twofold_reader;
RESET ROLE;
