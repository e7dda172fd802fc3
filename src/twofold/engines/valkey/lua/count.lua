-- the first key and the last, as ZLEXCOUNT takes them; returns how many there are.
local found = data(KEYS[1])
return found and redis.call('ZLEXCOUNT', found.keys, ARGV[1], ARGV[2])
