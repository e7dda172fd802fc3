-- history, segments, shape; makes the table where there is none, and returns its history and its lowest checkpoint.
local found = redis.call('HGET', KEYS[1], 'history')
if not found then
    make(KEYS[1], VERSION, ARGV[1], ARGV[2], ARGV[3], '0')
    found = ARGV[1]
end
return { found, lowest(KEYS[1]) }
