-- Reading: the events that any of some criteria takes, in order, so many at most.

-- Events in the form in which the engine wants them.
CREATE VIEW history.recorded AS
SELECT position, type, version, convert_to(payload, 'UTF8') AS payload, uuid_send(event_id) AS event_id, tags,
       uuid_send(command_id) AS command_id, uuid_send(coalesce(correlation_id, command_id)) AS correlation_id,
       uuid_send(coalesce(causation_id, command_id)) AS causation_id, principal, tenant,
       (date_part('epoch', recorded_at) * 1000000)::bigint AS recorded_at
FROM history.events;

-- One element a criterion: types and tags, JSON arrays (NULL: any). Each kind of criterion has a query of its own that
-- walks one index and stops at the limit, whatever the planner believes about the tables.
CREATE FUNCTION history.read(types jsonb[], tags jsonb[], after bigint, until bigint, most integer)
RETURNS SETOF history.recorded
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    found bigint[];
BEGIN
    IF EXISTS (SELECT FROM unnest(types, tags) AS c (types, tags) WHERE c.types IS NULL AND c.tags IS NULL) THEN
        RETURN QUERY
        SELECT * FROM history.recorded AS e
        WHERE e.position > after AND e.position <= until
        ORDER BY e.position LIMIT most;
        RETURN;
    END IF;
    found := ARRAY(
        SELECT p.position FROM unnest(types, tags) AS c (types, tags)
        CROSS JOIN LATERAL (
            SELECT t.position FROM history.tags AS t
            WHERE t.tenant = '' AND t.tag = c.tags ->> 0 AND t.position > after AND t.position <= until
              AND (c.types IS NULL OR c.types ? t.type)
              AND NOT EXISTS (
                  SELECT FROM jsonb_array_elements_text(c.tags - 0) AS wanted (tag)
                  WHERE (SELECT o.position FROM history.tags AS o
                         WHERE o.tenant = '' AND o.tag = wanted.tag AND o.position = t.position) IS NULL)
            ORDER BY t.position LIMIT most) AS p
        WHERE c.tags IS NOT NULL
        UNION
        SELECT p.position FROM unnest(types, tags) AS c (types, tags)
        CROSS JOIN LATERAL jsonb_array_elements_text(c.types) AS wanted (type)
        CROSS JOIN LATERAL (
            SELECT e.position FROM history.events AS e
            WHERE e.type = wanted.type AND e.position > after AND e.position <= until
            ORDER BY e.position LIMIT most) AS p
        WHERE c.tags IS NULL
        ORDER BY position LIMIT most);
    RETURN QUERY
    SELECT e.* FROM unnest(found) WITH ORDINALITY AS f (position, n)
    JOIN history.recorded AS e ON e.position = f.position
    ORDER BY f.n;
END
$$;

GRANT EXECUTE ON FUNCTION history.read TO twofold_writer, twofold_projector;
