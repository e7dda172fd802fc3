-- Returns the lowest checkpoint, whether the table is live, its rows, its parked keys, the head as it was last seen, and
-- of each segment its checkpoint, who projects it, and for how many milliseconds.
local found = data(KEYS[1])
if not found then
    return false
end
local held, time = {}, now()
local checkpoints = of_segments(KEYS[1], 'checkpoint')
for n, checkpoint in ipairs(checkpoints) do
    local at = redis.call('HMGET', KEYS[1], 'holder:' .. number(n - 1), 'until:' .. number(n - 1))
    local left = at[1] and tonumber(at[2]) - time or 0
    held[n] = { checkpoint, left > 0 and at[1] or '', number(math.max(left, 0)) }
end
return { lowest(KEYS[1]), redis.call('GET', LIVE) == VERSION and 1 or 0, redis.call('HLEN', found.rows),
         redis.call('HLEN', found.first), redis.call('HGET', KEYS[1], 'head'), held }
