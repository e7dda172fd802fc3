-- KEYS[1] is a hash of nodes; node.
redis.call('HDEL', KEYS[1], ARGV[1])
