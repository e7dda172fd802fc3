-- segment; returns its checkpoint, its epoch, whether it is ready, and whether the table is live.
local at = redis.call('HMGET', KEYS[1], 'checkpoint:' .. ARGV[1], 'epoch:' .. ARGV[1], 'ready:' .. ARGV[1])
if not at[1] then
    return false
end
return { at[1], at[2], at[3] == '1' and 1 or 0, redis.call('GET', LIVE) == VERSION and 1 or 0 }
