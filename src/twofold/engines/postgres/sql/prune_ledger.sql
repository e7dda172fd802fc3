-- what, before, after, limit
SELECT history.prune_ledger($1, $2, $3, $4)
