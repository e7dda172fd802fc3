-- segment, expected, reached, epoch, caught up?, head, spare?, rows, deleted keys, parked events (key, position, what is
-- kept), each with its count before it. Returns 1 where the batch was stored, 0 where it may not be.
local segment, caught_up = ARGV[1], ARGV[5] == '1'
local at = redis.call('HMGET', KEYS[1], 'checkpoint:' .. segment, 'epoch:' .. segment, 'holder:' .. segment,
                      'lease:' .. segment, 'head')
if at[1] ~= ARGV[2] or at[2] ~= ARGV[4] then
    return 0
end
local found = data(KEYS[1])
local place = store(found, 8)
for n = 1, tonumber(ARGV[place]) do
    local key, position, kept = unpack(ARGV, place + 3 * n - 2, place + 3 * n)
    redis.call('HSETNX', found.first, key, position)
    redis.call('ZADD', found.parked, position, kept)
end
redis.call('HSET', KEYS[1], 'checkpoint:' .. segment, ARGV[3])
if tonumber(ARGV[6]) > tonumber(at[5]) then
    redis.call('HSET', KEYS[1], 'head', ARGV[6])
end
if at[3] then
    redis.call('HSET', KEYS[1], 'until:' .. segment, number(now() + at[4]))
end
if not caught_up then
    return 1
end
redis.call('HSET', KEYS[1], 'ready:' .. segment, '1')
local before = redis.call('GET', LIVE)
if ARGV[7] == '1' or before == VERSION then
    return 1
end
for _, ready in ipairs(of_segments(KEYS[1], 'ready')) do
    if ready ~= '1' then
        return 1
    end
end
if before and redis.call('EXISTS', BASE .. 'table:' .. before) == 1 then
    set_segments(BASE .. 'table:' .. before, 'ready', '0')
end
redis.call('SET', LIVE, VERSION)
lives(KEYS[1])
-- Of those that have been live the newest two are kept; of those that never were, what is young or projected.
local known, long_ago = {}, now() - 7 * 86400 * 1000
for _, version in ipairs(redis.call('SMEMBERS', VERSIONS)) do
    local key = BASE .. 'table:' .. version
    local lived = tonumber(redis.call('HGET', key, 'lives') or 0)
    if lived > 0 then
        known[#known + 1] = { lived, version }
    else
        local last = tonumber(redis.call('HGET', key, 'begun') or 0)
        for _, each in ipairs(of_segments(key, 'until')) do
            last = math.max(last, tonumber(each or 0))
        end
        if last < long_ago then
            drop(version)
        end
    end
end
table.sort(known, function(one, other) return one[1] > other[1] end)
for n = 3, #known do
    drop(known[n][2])
end
return 1
