-- The history's id, its head, and the ledger's last entry.
SELECT id, head, entry FROM history.identify()
