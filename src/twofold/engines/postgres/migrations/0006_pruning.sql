-- Removing from the ledger what the settings let go: payloads with tags and reasons ('contents'), entries of rejected and
-- failed commands ('refusals'), and entries of accepted ones, whose ids are forgotten with them ('claims').

-- From the oldest entries after `after` that have it, up to the first that was not recorded before that time, so many
-- at most. Answers the last of them, NULL where there was none. The newest entry is never removed, because the next one
-- is numbered from it.
CREATE FUNCTION history.prune_ledger(what text, before timestamptz, after bigint, most integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    last bigint;
BEGIN
    IF what NOT IN ('contents', 'refusals', 'claims') THEN
        RAISE EXCEPTION 'history.prune_ledger knows no %', what;
    END IF;
    WITH held AS (
        SELECT l.entry, l.recorded_at FROM history.ledger AS l
        WHERE l.entry > after AND CASE what WHEN 'contents' THEN l.payload IS NOT NULL
                                            WHEN 'refusals' THEN l.outcome <> 'accepted'
                                            ELSE l.outcome = 'accepted' END
          AND (what = 'contents' OR l.entry < (SELECT max(m.entry) FROM history.ledger AS m))
        ORDER BY l.entry LIMIT most
    )
    SELECT max(h.entry) INTO last FROM held AS h
    WHERE h.entry < coalesce((SELECT min(y.entry) FROM held AS y WHERE y.recorded_at >= before), h.entry + 1);
    IF last IS NULL THEN
        RETURN NULL;
    END IF;
    IF what = 'contents' THEN
        UPDATE history.ledger AS l
        SET payload = NULL, tags = '[]', reason = CASE WHEN l.outcome = 'failed' THEN l.reason END
        WHERE l.entry > after AND l.entry <= last AND l.payload IS NOT NULL AND l.recorded_at < before;
    ELSE
        DELETE FROM history.ledger AS l
        WHERE l.entry > after AND l.entry <= last AND (l.outcome = 'accepted') = (what = 'claims')
          AND l.recorded_at < before;
    END IF;
    RETURN last;
END
$$;

GRANT EXECUTE ON FUNCTION history.prune_ledger TO twofold_writer;
