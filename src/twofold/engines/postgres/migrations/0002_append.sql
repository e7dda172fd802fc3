-- Appending: many commands' decisions in one call, each answered on its own. This is `settle` of history/commit.py.

-- attempt: what this append is called, for `history.resolve`.
-- One element a decision, in order: command_ids … counts. outcomes are accepted, rejected or failed; firsts tells that the
--     command's id was made for it, only_keys that its payload is not kept; afters and seens are its condition's; counts
--     is the number of its events. A list that is NULL holds what is usual: no tenant, no principal, accepted, no code, no
--     reason, no ids of what it belongs to, decided once, under an id made for it, payload kept.
-- One element an event, in order: event_decisions (whose, from 1), event_types ….
-- One element a tag of an event: tag_events (which event, from 1), tag_names.
-- One element a criterion: criterion_decisions (whose condition, from 1), criterion_types and criterion_tags (JSON
--     arrays; NULL: any).
--
-- Answers the head and the ledger's last entry before it, and for each decision its kind (a: appended, c: conflict,
-- d: a repeat, e: another command under the same id) and the position that it reached, or that tells it (`places`).
-- Both are NULL where all were appended.
CREATE FUNCTION history.append(
    attempt uuid,
    command_ids uuid[], types text[], payloads text[], command_tags text[], tenants text[], principals text[],
    outcomes text[], codes text[], reasons text[], correlation_ids uuid[], causation_ids uuid[], attempts integer[],
    elapsed bigint[], firsts boolean[], only_keys boolean[], afters bigint[], seens integer[], counts integer[],
    event_decisions integer[], event_types text[], event_versions integer[], event_payloads text[], event_ids uuid[],
    event_tags text[],
    tag_events integer[], tag_names text[],
    criterion_decisions integer[], criterion_types jsonb[], criterion_tags jsonb[],
    OUT head bigint, OUT entry bigint, OUT kinds text, OUT places bigint[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Plans are made once, for lists of any length and tables of any size.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off
AS $$
DECLARE
    voided     boolean;
    standing   boolean[];  -- NULL: all of them
    positions  bigint[];   -- an event's, 0 where its decision does not stand; NULL: one after another
    new_events bigint := cardinality(event_decisions);
    new_tags   bigint := cardinality(tag_names);
    new_entries integer := cardinality(command_ids);
    stored     bigint;
    now        timestamptz;
BEGIN
    -- Alone, in a statement of its own: what follows sees all that was committed under the lock.
    PERFORM history.lock();
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'history.append needs READ COMMITTED: a snapshot taken before the lock has an old head';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        RAISE EXCEPTION 'history.append needs synchronous_commit: what it answers must be durable';
    END IF;
    SELECT (SELECT coalesce(max(e.position), 0) FROM history.events AS e),
           (SELECT coalesce(max(l.entry), 0) FROM history.ledger AS l),
           EXISTS (SELECT FROM history.voided AS v WHERE v.attempt = append.attempt)
    INTO head, entry, voided;
    IF voided THEN
        RAISE EXCEPTION 'this append was given up on' USING ERRCODE = 'TF001';
    END IF;
    -- Whoever may append is not trusted with more: an event or a tag of nobody's must not come in.
    IF event_decisions IS DISTINCT FROM ARRAY(
           SELECT c.n::integer FROM unnest(counts) WITH ORDINALITY AS c (count, n), generate_series(1, c.count)
           ORDER BY c.n)
       OR cardinality(event_types) <> cardinality(event_decisions) THEN
        RAISE EXCEPTION 'history.append was given events of other decisions than are counted';
    END IF;

    tenants := coalesce(tenants, array_fill(''::text, ARRAY[new_entries]));
    principals := coalesce(principals, array_fill(''::text, ARRAY[new_entries]));
    outcomes := coalesce(outcomes, array_fill('accepted'::text, ARRAY[new_entries]));
    attempts := coalesce(attempts, array_fill(1, ARRAY[new_entries]));
    firsts := coalesce(firsts, array_fill(true, ARRAY[new_entries]));
    only_keys := coalesce(only_keys, array_fill(false, ARRAY[new_entries]));
    SELECT s.kinds, s.places INTO kinds, places FROM history.settle(
        head, tenants, principals, command_ids, types, payloads, outcomes, firsts, afters, seens, counts,
        event_decisions, event_types, event_tags, tag_events, tag_names,
        criterion_decisions, criterion_types, criterion_tags) AS s;
    IF kinds IS NOT NULL THEN
        standing := ARRAY(SELECT k.kind = 'a' FROM string_to_table(kinds, NULL) WITH ORDINALITY AS k (kind, n)
                          ORDER BY k.n);
        positions := ARRAY(
            SELECT CASE WHEN standing[e.decision]
                   THEN append.head + count(*) FILTER (WHERE standing[e.decision]) OVER (ORDER BY e.n) ELSE 0 END
            FROM unnest(event_decisions) WITH ORDINALITY AS e (decision, n) ORDER BY e.n);
        new_events := (SELECT count(*) FROM unnest(positions) AS p WHERE p > 0);
        new_tags := (SELECT count(*) FROM unnest(tag_events) AS t WHERE positions[t] IS DISTINCT FROM 0);
        new_entries := (SELECT count(*) FROM unnest(standing) AS s WHERE s);
    END IF;
    now := clock_timestamp();

    INSERT INTO history.events
    SELECT coalesce(positions[e.n], append.head + e.n), e.type, e.version, e.payload, e.event_id, e.tags,
           d.command_id, d.correlation_id, d.causation_id, d.principal, d.tenant, now
    FROM unnest(event_decisions, event_types, event_versions, event_payloads, event_ids, event_tags)
             WITH ORDINALITY AS e (decision, type, version, payload, event_id, tags, n)
    JOIN unnest(command_ids, correlation_ids, causation_ids, principals, tenants, outcomes)
             WITH ORDINALITY AS d (command_id, correlation_id, causation_id, principal, tenant, outcome, n)
             ON d.n = e.decision AND d.outcome = 'accepted'
    WHERE coalesce(standing[e.decision], true);
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> new_events THEN
        RAISE EXCEPTION 'history.append stored % events instead of %', stored, new_events;
    END IF;

    INSERT INTO history.tags
    SELECT '', t.name, coalesce(positions[t.event], append.head + t.event), e.type
    FROM unnest(tag_events, tag_names) AS t (event, name)
    JOIN unnest(event_types) WITH ORDINALITY AS e (type, n) ON e.n = t.event
    WHERE coalesce(positions[t.event], 1) > 0;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> new_tags THEN
        RAISE EXCEPTION 'history.append stored % tags instead of %', stored, new_tags;
    END IF;

    INSERT INTO history.ledger
    SELECT append.entry + row_number() OVER (ORDER BY d.n), d.tenant, d.principal, d.command_id, d.type,
           CASE WHEN NOT d.only_key THEN d.payload END,
           sha256(convert_to(d.type, 'UTF8') || '\x00' || convert_to(d.payload, 'UTF8')), d.tags, d.outcome, d.code,
           d.reason, d.reached - d.count + 1, d.reached, d.correlation_id, d.causation_id,
           d.attempts, d.elapsed, append.attempt, now
    FROM (
        SELECT d.*, coalesce(places[d.n], append.head + sum(d.count) OVER (ORDER BY d.n)) AS reached
        FROM unnest(tenants, principals, command_ids, types, payloads, command_tags, outcomes, codes, reasons,
                    correlation_ids, causation_ids, attempts, elapsed, counts, only_keys)
                 WITH ORDINALITY AS d (tenant, principal, command_id, type, payload, tags, outcome, code, reason,
                    correlation_id, causation_id, attempts, elapsed, count, only_key, n)
    ) AS d
    WHERE coalesce(standing[d.n], true);
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> new_entries THEN
        RAISE EXCEPTION 'history.append stored % commands instead of %', stored, new_entries;
    END IF;
END
$$;

-- Which of the decisions stand. Parameters and answer as of `history.append`, which calls it with its own settings.
CREATE FUNCTION history.settle(
    head bigint, tenants text[], principals text[], command_ids uuid[], types text[], payloads text[], outcomes text[],
    firsts boolean[], afters bigint[], seens integer[], counts integer[],
    event_decisions integer[], event_types text[], event_tags text[], tag_events integer[], tag_names text[],
    criterion_decisions integer[], criterion_types jsonb[], criterion_tags jsonb[],
    OUT kinds text, OUT places bigint[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    number      integer := cardinality(command_ids);
    known       integer[];              -- decisions whose id was accepted before,
    known_at    bigint[];               -- what it reached then,
    known_same  boolean[];              -- and whether for the same command
    repeated    boolean := false;       -- whether an id is there twice
    least_after bigint;
    chained     boolean;                -- whether each decision has seen all those before it
    moved       integer[] := '{}';      -- decisions whose boundary has events that they were not decided on
    conflicting boolean[];
    later       integer[];              -- pairs of decisions of this batch: the later one,
    earlier     integer[];              -- the earlier one,
    repeats     boolean[];              -- and whether they have one id, or the later one selects events of the earlier
    standing    boolean[];
    reached     bigint := head;
    pair        integer := 1;
    kind        text;
    place       bigint;
    other       integer;
BEGIN
    IF false = ANY (firsts) THEN
        SELECT array_agg(d.n), array_agg(l.position),
               array_agg(l.fingerprint = sha256(convert_to(d.type, 'UTF8') || '\x00' || convert_to(d.payload, 'UTF8')))
        INTO known, known_at, known_same
        FROM unnest(tenants, principals, command_ids, types, payloads, firsts)
                 WITH ORDINALITY AS d (tenant, principal, command_id, type, payload, is_first, n)
        CROSS JOIN LATERAL (
            SELECT l.position, l.fingerprint FROM history.ledger AS l
            WHERE l.tenant = d.tenant AND l.principal = d.principal AND l.command_id = d.command_id
              AND l.outcome = 'accepted'
            LIMIT 1) AS l
        WHERE NOT d.is_first;
        repeated := EXISTS (
            SELECT FROM unnest(tenants, principals, command_ids, firsts) AS d (tenant, principal, command_id, is_first)
            WHERE NOT d.is_first GROUP BY d.tenant, d.principal, d.command_id HAVING count(*) > 1);
    END IF;
    SELECT min(s.after), bool_and(s.seen >= s.n - 1) INTO least_after, chained
    FROM unnest(afters, seens) WITH ORDINALITY AS s (after, seen, n);
    IF head > least_after THEN
        moved := ARRAY(
            SELECT c.decision FROM unnest(criterion_decisions, criterion_types, criterion_tags) AS c (decision, types, tags)
            WHERE CASE
                WHEN c.tags IS NOT NULL THEN (
                    SELECT true FROM history.tags AS t
                    WHERE t.tenant = '' AND t.tag = c.tags ->> 0 AND t.position > afters[c.decision]
                      AND (c.types IS NULL OR c.types ? t.type)
                      AND NOT EXISTS (
                          SELECT FROM jsonb_array_elements_text(c.tags - 0) AS wanted (tag)
                          WHERE (SELECT o.position FROM history.tags AS o
                                 WHERE o.tenant = '' AND o.tag = wanted.tag AND o.position = t.position) IS NULL)
                    LIMIT 1)
                WHEN c.types IS NOT NULL THEN (
                    SELECT true FROM jsonb_array_elements_text(c.types) AS wanted (type)
                    WHERE (SELECT e.position FROM history.events AS e
                           WHERE e.type = wanted.type AND e.position > afters[c.decision] LIMIT 1) IS NOT NULL
                    LIMIT 1)
                ELSE head > afters[c.decision]
            END);
    END IF;

    IF known IS NULL AND NOT repeated AND moved = '{}' AND chained THEN
        RETURN;
    END IF;

    conflicting := array_fill(false, ARRAY[number]);
    FOREACH other IN ARRAY moved LOOP
        conflicting[other] := true;
    END LOOP;
    SELECT array_agg(p.later ORDER BY p.later), array_agg(p.earlier ORDER BY p.later),
           array_agg(p.repeats ORDER BY p.later)
    INTO later, earlier, repeats
    FROM (
        SELECT c.decision AS later, event_decisions[t.event] AS earlier, false AS repeats
        FROM unnest(criterion_decisions, criterion_types, criterion_tags) AS c (decision, types, tags)
        JOIN unnest(tag_events, tag_names) AS t (event, name) ON t.name = c.tags ->> 0
        JOIN unnest(event_types, event_tags) WITH ORDINALITY AS e (type, tags, n) ON e.n = t.event
        WHERE event_decisions[t.event] < c.decision AND NOT conflicting[c.decision]
          AND (c.types IS NULL OR c.types ? e.type) AND e.tags::jsonb @> c.tags
        UNION ALL
        SELECT c.decision, event_decisions[e.n], false
        FROM unnest(criterion_decisions, criterion_types, criterion_tags) AS c (decision, types, tags)
        CROSS JOIN unnest(event_types) WITH ORDINALITY AS e (type, n)
        WHERE c.tags IS NULL AND event_decisions[e.n] < c.decision AND NOT conflicting[c.decision]
          AND (c.types IS NULL OR c.types ? e.type)
        UNION ALL
        SELECT d.n, o.n, true
        FROM unnest(tenants, principals, command_ids, firsts) WITH ORDINALITY
                 AS d (tenant, principal, command_id, is_first, n)
        JOIN unnest(tenants, principals, command_ids, firsts, outcomes) WITH ORDINALITY
                 AS o (tenant, principal, command_id, is_first, outcome, n)
             ON o.command_id = d.command_id AND o.tenant = d.tenant AND o.principal = d.principal AND o.n < d.n
        WHERE NOT d.is_first AND NOT o.is_first AND o.outcome = 'accepted'
    ) AS p;

    kinds := '';
    places := array_fill(head, ARRAY[number]);
    standing := array_fill(false, ARRAY[number]);
    FOR n IN 1 .. number LOOP
        kind := CASE WHEN conflicting[n] THEN 'c' ELSE 'a' END;
        place := reached;
        WHILE later[pair] = n LOOP
            other := earlier[pair];
            IF NOT repeats[pair] THEN
                -- It rests on events that it had not seen and that came, or that it had seen and that did not come.
                IF kind = 'a' AND standing[other] = (other > seens[n]) THEN
                    kind := 'c';
                END IF;
            ELSIF standing[other] THEN
                kind := CASE WHEN (types[other], payloads[other]) = (types[n], payloads[n]) THEN 'd' ELSE 'e' END;
                place := places[other];
            END IF;
            pair := pair + 1;
        END LOOP;
        IF n = ANY (known) THEN
            other := array_position(known, n);
            kind := CASE WHEN known_same[other] THEN 'd' ELSE 'e' END;
            place := known_at[other];
        END IF;
        IF kind = 'a' THEN
            standing[n] := true;
            reached := reached + counts[n];
            place := reached;
        END IF;
        kinds := kinds || kind;
        places[n] := place;
    END LOOP;
END
$$;

-- Closes an append whose answer was lost: from now on it can do nothing. Answers the commands that it had stored, in
-- order; `since` is an entry of the ledger from before it. It writes in any case, so that, when it is committed, what
-- it answers is as durable as itself, on replicas too.
CREATE FUNCTION history.resolve(attempt uuid, since bigint)
RETURNS TABLE (tenant text, principal text, command_id uuid, outcome text, first bigint, "position" bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    PERFORM history.lock();
    INSERT INTO history.voided VALUES (resolve.attempt) ON CONFLICT DO NOTHING;
    RETURN QUERY
    SELECT l.tenant, l.principal, l.command_id, l.outcome, l.first, l.position FROM history.ledger AS l
    WHERE l.entry > since AND l.attempt = resolve.attempt ORDER BY l.entry;
END
$$;

GRANT EXECUTE ON FUNCTION history.append, history.resolve TO twofold_writer;
