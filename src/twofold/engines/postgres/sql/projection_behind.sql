-- name, version, version of the spare; returns of each segment whether the spare can take its place
SELECT coalesce(one.live AND spare.ready AND spare.checkpoint >= one.checkpoint, false)
FROM views.twofold_projections AS one
JOIN views.twofold_projections AS spare ON spare.name = one.name AND spare.segment = one.segment AND spare.version = $3
WHERE one.name = $1 AND one.version = $2
