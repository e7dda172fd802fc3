-- Appending in fewer steps: the functions of 0002, to the same effect; see there for what is given and answered. Most of a
-- call's time went into lists: each that is unnested is stored row by row before it is joined with the others. Numbers and
-- ids are taken from theirs by their place instead, and what is usual is not filled in.

CREATE OR REPLACE FUNCTION history.append(
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
    entries    bigint[];   -- a decision's in the ledger; NULL: one after another
    reached    bigint[];   -- what a decision's events reach; NULL: one after another
    singles    boolean;    -- whether each decision has one event
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
    singles := 1 = ALL (counts);
    IF event_decisions IS DISTINCT FROM (
           CASE WHEN singles THEN ARRAY(SELECT generate_series(1, new_entries)) ELSE ARRAY(
               SELECT c.n::integer FROM unnest(counts) WITH ORDINALITY AS c (count, n), generate_series(1, c.count)
               ORDER BY c.n) END)
       OR cardinality(event_types) <> cardinality(event_decisions) THEN
        RAISE EXCEPTION 'history.append was given events of other decisions than are counted';
    END IF;

    SELECT s.kinds, s.places INTO kinds, places FROM history.settle(
        head, tenants, principals, command_ids, types, payloads, outcomes, firsts, afters, seens, counts,
        event_decisions, event_types, event_tags, tag_events, tag_names,
        criterion_decisions, criterion_types, criterion_tags) AS s;
    reached := places;
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
        entries := ARRAY(
            SELECT append.entry + count(*) FILTER (WHERE s.stands) OVER (ORDER BY s.n)
            FROM unnest(standing) WITH ORDINALITY AS s (stands, n) ORDER BY s.n);
    ELSIF NOT singles THEN
        reached := ARRAY(
            SELECT append.head + sum(c.count) OVER (ORDER BY c.n)
            FROM unnest(counts) WITH ORDINALITY AS c (count, n) ORDER BY c.n);
    END IF;
    now := clock_timestamp();

    -- Texts are unnested, because a text in a list is found by walking there; each list that is unnested has its price.
    INSERT INTO history.events
    SELECT coalesce(positions[e.n], append.head + e.n), e.type, event_versions[e.n], e.payload, event_ids[e.n], e.tags,
           command_ids[event_decisions[e.n]], correlation_ids[event_decisions[e.n]],
           causation_ids[event_decisions[e.n]], coalesce(principals[event_decisions[e.n]], ''),
           coalesce(tenants[event_decisions[e.n]], ''), now
    FROM unnest(event_types, event_payloads, event_tags) WITH ORDINALITY AS e (type, payload, tags, n)
    WHERE coalesce(standing[event_decisions[e.n]], true)
      AND coalesce(outcomes[event_decisions[e.n]], 'accepted') = 'accepted';
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> new_events THEN
        RAISE EXCEPTION 'history.append stored % events instead of %', stored, new_events;
    END IF;

    INSERT INTO history.tags
    SELECT '', t.name, coalesce(positions[tag_events[t.n]], append.head + tag_events[t.n]), event_types[tag_events[t.n]]
    FROM unnest(tag_names) WITH ORDINALITY AS t (name, n)
    WHERE coalesce(positions[tag_events[t.n]], 1) > 0;
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> new_tags THEN
        RAISE EXCEPTION 'history.append stored % tags instead of %', stored, new_tags;
    END IF;

    INSERT INTO history.ledger
    SELECT coalesce(entries[d.n], append.entry + d.n), coalesce(tenants[d.n], ''), coalesce(principals[d.n], ''),
           command_ids[d.n], d.type, CASE WHEN NOT coalesce(only_keys[d.n], false) THEN d.payload END,
           sha256(convert_to(d.type, 'UTF8') || '\x00' || convert_to(d.payload, 'UTF8')), d.tags,
           coalesce(outcomes[d.n], 'accepted'), codes[d.n], reasons[d.n],
           coalesce(reached[d.n], append.head + d.n) - counts[d.n] + 1, coalesce(reached[d.n], append.head + d.n),
           correlation_ids[d.n], causation_ids[d.n], coalesce(attempts[d.n], 1), elapsed[d.n], append.attempt, now
    FROM unnest(types, payloads, command_tags) WITH ORDINALITY AS d (type, payload, tags, n)
    WHERE coalesce(standing[d.n], true);
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored <> new_entries THEN
        RAISE EXCEPTION 'history.append stored % commands instead of %', stored, new_entries;
    END IF;
END
$$;

-- Which of the decisions stand. Parameters and answer as of `history.append`, which calls it with its own settings.
CREATE OR REPLACE FUNCTION history.settle(
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
    repeated    boolean := false;       -- whether an id may be there twice
    least_after bigint;
    chained     boolean;                -- whether each decision has seen all those before it, and no more
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
               array_agg(l.fingerprint = sha256(
                   convert_to(types[d.n], 'UTF8') || '\x00' || convert_to(payloads[d.n], 'UTF8')))
        INTO known, known_at, known_same
        FROM unnest(command_ids) WITH ORDINALITY AS d (command_id, n)
        CROSS JOIN LATERAL (
            SELECT l.position, l.fingerprint FROM history.ledger AS l
            WHERE l.tenant = coalesce(tenants[d.n], '') AND l.principal = coalesce(principals[d.n], '')
              AND l.command_id = d.command_id AND l.outcome = 'accepted'
            LIMIT 1) AS l
        WHERE NOT firsts[d.n];
        -- Whose ids they are is looked at below.
        repeated := number > (SELECT count(DISTINCT id) FROM unnest(command_ids) AS id);
    END IF;
    least_after := (SELECT min(after) FROM unnest(afters) AS after);
    chained := seens = ARRAY(SELECT generate_series(0, number - 1));
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

    tenants := coalesce(tenants, array_fill(''::text, ARRAY[number]));
    principals := coalesce(principals, array_fill(''::text, ARRAY[number]));
    outcomes := coalesce(outcomes, array_fill('accepted'::text, ARRAY[number]));
    firsts := coalesce(firsts, array_fill(true, ARRAY[number]));
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
