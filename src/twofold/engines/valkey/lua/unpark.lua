-- key, positions as text, rows, deleted keys, each of these with its count before it. Returns 1 where the key's parked
-- events were these, and are forgotten.
local found = data(KEYS[1])
local positions, kept = {}, {}
for _, each in ipairs(redis.call('ZRANGE', found.parked, 0, -1)) do
    local parked = cmsgpack.unpack(each)
    if parked[1] == ARGV[1] then
        positions[#positions + 1] = number(parked[2])
        kept[#kept + 1] = each
    end
end
if table.concat(positions, ' ') ~= ARGV[2] then
    return 0
end
in_chunks(1, #kept, 1, function(from, to)
    redis.call('ZREM', found.parked, unpack(kept, from, to))
end)
redis.call('HDEL', found.first, ARGV[1])
store(found, 3)
set_segments(KEYS[1], 'epoch', higher_epoch(KEYS[1]))
return 1
