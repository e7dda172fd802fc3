-- The parameters of history.append, in order, lists as `batch.parameters` writes them; its answer.
SELECT head, entry, kinds, places FROM history.append(
    $1, $2::text::uuid[], $3, string_to_array($4, E'\x1e'), string_to_array($5, E'\x1e'), $6, $7, $8, $9, $10, $11, $12,
    $13, $14::text::bigint[], $15, $16, $17::text::bigint[], $18::text::integer[], $19::text::integer[],
    $20::text::integer[], $21, $22::text::integer[], string_to_array($23, E'\x1e'), $24::text::uuid[],
    string_to_array($25, E'\x1e'), $26::text::integer[], $27, $28::text::integer[],
    string_to_array($29, E'\x1e', 'null')::jsonb[], string_to_array($30, E'\x1e', 'null')::jsonb[])
