-- attempt, an entry of the ledger from before it; the commands that it stored, in order
SELECT tenant, principal, command_id, outcome, first, position FROM history.resolve($1, $2)
