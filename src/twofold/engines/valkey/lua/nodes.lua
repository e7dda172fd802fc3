-- KEYS[1] is a hash of nodes; returns those that are there: the name, what it can project, for how many milliseconds.
local found, time = {}, now()
for _, node in ipairs(redis.call('HKEYS', KEYS[1])) do
    local at = cmsgpack.unpack(redis.call('HGET', KEYS[1], node))
    if at[1] > time then
        found[#found + 1] = { node, at[2], number(at[1] - time) }
    end
end
return found
