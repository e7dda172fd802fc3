-- The roles. They belong to the whole server, so another database may have made them already.
-- They have no password: nobody gets in as one of them before an administrator gives it one, or grants it to a login.
DO $$
DECLARE
    may text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('twofold_owner', 'NOLOGIN'),
            ('twofold_writer', 'LOGIN'),
            ('twofold_projector', 'LOGIN'),
            ('twofold_reader', 'LOGIN')
        ) AS roles (name, login)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.login);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- made for another database in the same moment
            END;
        END IF;
        -- Whoever sets the database up may take each role, so that one URL is enough to begin with.
        IF NOT pg_has_role(wanted.name, may) THEN
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER', wanted.name);
            EXCEPTION WHEN insufficient_privilege OR unique_violation THEN
                NULL;  -- an administrator made the role; where it is needed, SET ROLE tells below
            END;
        END IF;
    END LOOP;
END
$$;
