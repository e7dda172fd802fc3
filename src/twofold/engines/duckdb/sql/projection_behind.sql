-- name, version, version of the spare; counts the segments in which the spare cannot take the place of the other
SELECT count(*) FROM twofold_projections AS one
LEFT JOIN twofold_projections AS spare ON spare.name = one.name AND spare.segment = one.segment AND spare.version = $3
WHERE one.name = $1 AND one.version = $2
  AND NOT (one.live AND coalesce(spare.ready AND spare.checkpoint >= one.checkpoint, false))
