-- tenant, principal, command id; the position that it reached, and its fingerprint
SELECT position, fingerprint FROM history.find($1, $2, $3)
