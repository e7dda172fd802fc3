-- segment, keys; returns the segment's checkpoint, and a row or nothing for each key.
local found = data(KEYS[1])
if not found then
    return false
end
return { redis.call('HGET', KEYS[1], 'checkpoint:' .. ARGV[1]), rows_of(found.rows, 2, #ARGV, ARGV) }
