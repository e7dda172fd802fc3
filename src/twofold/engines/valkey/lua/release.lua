-- segment, holder; gives up the lease of that holder.
if redis.call('HGET', KEYS[1], 'holder:' .. ARGV[1]) == ARGV[2] then
    redis.call('HDEL', KEYS[1], 'holder:' .. ARGV[1], 'until:' .. ARGV[1], 'lease:' .. ARGV[1])
end
