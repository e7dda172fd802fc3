-- KEYS[1] is a hash of nodes; node, what it can project, milliseconds. Forgets those that have not been heard of for long.
for _, node in ipairs(redis.call('HKEYS', KEYS[1])) do
    if cmsgpack.unpack(redis.call('HGET', KEYS[1], node))[1] + 3600 * 1000 < now() then
        redis.call('HDEL', KEYS[1], node)
    end
end
redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack({ now() + ARGV[3], ARGV[2] }))
