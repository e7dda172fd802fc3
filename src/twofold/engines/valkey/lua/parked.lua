-- Returns parked events in the order of their positions.
local found = data(KEYS[1])
return found and redis.call('ZRANGE', found.parked, 0, -1)
