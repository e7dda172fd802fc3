-- name, version, version of the spare
UPDATE twofold_parked SET version = CASE WHEN version = $2 THEN $3 ELSE $2 END WHERE name = $1 AND version IN ($2, $3)
