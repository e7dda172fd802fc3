"""A schema of an attacker's, in which everything that an unqualified name could mean fails when it is used."""

from __future__ import annotations

TYPES = ("int4", "int8", "text", "name", "oid", "uuid", "bytea", "timestamptz", "regnamespace")
OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "+", "-", "||", "*", "/")

_FUNCTIONS = """
    DO $$
    DECLARE
        each record;
    BEGIN
        -- Every function of PostgreSQL's with arguments that may be declared, by its own name.
        FOR each IN
            SELECT proname, pg_get_function_identity_arguments(oid) AS arguments FROM pg_catalog.pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND provariadic = 0 AND proname IN (
                'now', 'clock_timestamp', 'sha256', 'convert_to', 'current_setting', 'set_config', 'to_regnamespace',
                'to_regclass', 'format', 'pg_has_role', 'obj_description', 'pg_is_in_recovery', 'pg_backend_pid',
                'uuid_send', 'gen_random_uuid', 'pg_advisory_xact_lock', 'hashtextextended', 'pg_notify',
                'current_database', 'current_schema', 'octet_length', 'version', 'pg_try_advisory_lock')
        LOOP
            EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS text LANGUAGE plpgsql AS %L', each.proname,
                           each.arguments, 'BEGIN RAISE EXCEPTION ''attacked by a function''; END');
        END LOOP;
    END
    $$;
"""


def evil() -> str:
    """Return the SQL that makes the schema `evil`, for everybody to stumble over."""
    made = ["CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;", _FUNCTIONS]
    for type_ in TYPES:
        made.append(
            f"CREATE FUNCTION evil.attack({type_}, {type_}) RETURNS boolean LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION ''attacked by an operator''; END';"
        )
        for operator in OPERATORS:
            made.append(
                f"CREATE OPERATOR evil.{operator} (LEFTARG = {type_}, RIGHTARG = {type_}, FUNCTION = evil.attack);"
            )
    return "".join(made)
