-- Reading the ledger: by any of what is known of a command, newest or oldest first, so many entries at most.

-- A command is looked for by its id alone as well; a rejected or failed one claims none, but is found by it.
DROP INDEX history.ledger_decided_once;
CREATE UNIQUE INDEX ledger_decided_once ON history.ledger (tenant, command_id, principal) WHERE outcome = 'accepted';
CREATE INDEX ledger_refused ON history.ledger (tenant, command_id) WHERE outcome <> 'accepted';
CREATE INDEX ledger_by_correlation ON history.ledger (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX ledger_by_causation ON history.ledger (causation_id) WHERE causation_id IS NOT NULL;

-- Entries in the form in which the engine wants them.
CREATE VIEW history.entries AS
SELECT l.entry, l.command_id, l.type, l.payload, l.fingerprint, l.tags, l.principal, l.tenant, l.outcome, l.code, l.reason,
       l.first, l.position, coalesce(l.correlation_id, l.command_id) AS correlation_id,
       coalesce(l.causation_id, l.command_id) AS causation_id, l.attempts, l.elapsed, l.recorded_at
FROM history.ledger AS l;

-- Every parameter but the first and the last two is NULL where nothing is asked by it. `event` is a position; `after` is
-- the entry to go on behind. Whatever an index finds is found by it first, whatever the planner believes about the table.
CREATE FUNCTION history.read_ledger(
    tenant text, types text[], command_id uuid, principal text, tags text[], outcome text, since timestamptz,
    until timestamptz, correlation_id uuid, causation_id uuid, event bigint, after bigint, newest boolean, most integer
)
RETURNS SETOF history.entries
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_mergejoin = off SET enable_hashjoin = off
AS $$
DECLARE
    by_command text := '
        SELECT entry FROM history.ledger WHERE tenant = $1 AND command_id = %1$s AND outcome = ''accepted''
        UNION ALL
        SELECT entry FROM history.ledger WHERE tenant = $1 AND command_id = %1$s AND outcome <> ''accepted''';
    found text;
BEGIN
    IF event IS NOT NULL THEN
        found := '
            SELECT l.entry FROM history.events AS e
            JOIN history.ledger AS l ON l.tenant = e.tenant AND l.command_id = e.command_id AND l.principal = e.principal
            WHERE e.position = $11 AND l.outcome = ''accepted''';
    ELSIF command_id IS NOT NULL THEN
        found := format(by_command, '$3');
    ELSIF correlation_id IS NOT NULL THEN
        found := 'SELECT entry FROM history.ledger WHERE correlation_id = $9 UNION ALL' || format(by_command, '$9');
    ELSIF causation_id IS NOT NULL THEN
        found := 'SELECT entry FROM history.ledger WHERE causation_id = $10 UNION ALL' || format(by_command, '$10');
    END IF;
    RETURN QUERY EXECUTE
        CASE WHEN found IS NULL THEN '' ELSE 'WITH found AS MATERIALIZED (' || found || ')' END
        || ' SELECT l.* FROM history.entries AS l WHERE l.tenant = $1'
        || CASE WHEN found IS NULL THEN '' ELSE ' AND l.entry IN (SELECT entry FROM found)' END
        || CASE WHEN types IS NULL THEN '' ELSE ' AND l.type = ANY ($2)' END
        || CASE WHEN command_id IS NULL THEN '' ELSE ' AND l.command_id = $3' END
        || CASE WHEN principal IS NULL THEN '' ELSE ' AND l.principal = $4' END
        || CASE WHEN tags IS NULL THEN '' ELSE ' AND l.tags::jsonb ?& $5' END
        || CASE WHEN outcome IS NULL THEN '' ELSE ' AND l.outcome = $6' END
        || CASE WHEN since IS NULL THEN '' ELSE ' AND l.recorded_at >= $7' END
        || CASE WHEN until IS NULL THEN '' ELSE ' AND l.recorded_at < $8' END
        || CASE WHEN correlation_id IS NULL THEN '' ELSE ' AND l.correlation_id = $9' END
        || CASE WHEN causation_id IS NULL THEN '' ELSE ' AND l.causation_id = $10' END
        || CASE WHEN event IS NULL THEN '' ELSE ' AND l.first <= $11 AND l.position >= $11' END
        || CASE WHEN after IS NULL THEN '' WHEN newest THEN ' AND l.entry < $12' ELSE ' AND l.entry > $12' END
        || ' ORDER BY l.entry ' || CASE WHEN newest THEN 'DESC' ELSE 'ASC' END || ' LIMIT $13'
    USING tenant, types, command_id, principal, tags, outcome, since, until, correlation_id, causation_id, event, after,
          most;
END
$$;

GRANT EXECUTE ON FUNCTION history.read_ledger TO twofold_writer;
