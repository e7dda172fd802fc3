-- Returns of each version that is kept: its name, its shape, its lowest checkpoint, whether it is live, and was.
local found = {}
for n, version in ipairs(redis.call('SMEMBERS', VERSIONS)) do
    local key = BASE .. 'table:' .. version
    local at = redis.call('HMGET', key, 'shape', 'lives')
    found[n] = { version, at[1], lowest(key), redis.call('GET', LIVE) == version and 1 or 0, at[2] ~= '0' and 1 or 0 }
end
return found
