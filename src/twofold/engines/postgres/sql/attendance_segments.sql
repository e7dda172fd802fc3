-- of each segment: name, version, number, and who holds it for how many seconds; nobody where nobody does
SELECT name, version, segment, held.holder, held.seconds
FROM views.twofold_projections LEFT JOIN LATERAL (
    SELECT holder, extract(epoch FROM lease_until - clock_timestamp())::double precision AS seconds
    WHERE lease_until > clock_timestamp() AND lease_until < 'infinity'
) AS held ON true
