-- channel, news; its commit need not wait for the disk
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)
