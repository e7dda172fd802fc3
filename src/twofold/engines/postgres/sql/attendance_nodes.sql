-- of each node that is there: its name, its tables, and for how many seconds it is
SELECT name, tables, extract(epoch FROM until - clock_timestamp())::double precision
FROM views.twofold_nodes WHERE until > clock_timestamp()
