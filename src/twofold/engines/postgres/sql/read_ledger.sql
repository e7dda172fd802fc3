-- The parameters of history.read_ledger, in order; in the order of LedgerEntry's fields
SELECT * FROM history.read_ledger($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
