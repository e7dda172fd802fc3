-- Returns parked keys, each with its first position behind it.
local found = data(KEYS[1])
return found and redis.call('HGETALL', found.first)
