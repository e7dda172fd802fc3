-- the first key and the last, as ZRANGE takes them; descending?; how many at most, -1 for all. Returns rows in order.
local found = data(KEYS[1])
if not found then
    return false
end
local keys
if ARGV[3] == '1' then
    keys = redis.call('ZRANGE', found.keys, ARGV[2], ARGV[1], 'BYLEX', 'REV', 'LIMIT', 0, ARGV[4])
else
    keys = redis.call('ZRANGE', found.keys, ARGV[1], ARGV[2], 'BYLEX', 'LIMIT', 0, ARGV[4])
end
return { rows_of(found.rows, 1, #keys, keys) }
