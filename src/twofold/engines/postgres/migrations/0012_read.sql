-- Reading by type alone: the function of 0003, to the same effect; see there for what is given and answered. Once the
-- table had been analysed, it looked for a rare type in all events after the position.

CREATE OR REPLACE FUNCTION history.read(types jsonb[], tags jsonb[], after bigint, until bigint, most integer)
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
            -- Both columns, or the planner may go along all positions after that where it believes a type to be common.
            WHERE (e.type, e.position) > (wanted.type, after) AND (e.type, e.position) <= (wanted.type, until)
            ORDER BY e.type, e.position LIMIT most) AS p
        WHERE c.tags IS NULL
        ORDER BY position LIMIT most);
    RETURN QUERY
    SELECT e.* FROM unnest(found) WITH ORDINALITY AS f (position, n)
    JOIN history.recorded AS e ON e.position = f.position
    ORDER BY f.n;
END
$$;
