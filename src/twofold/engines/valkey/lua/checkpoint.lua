-- Returns the lowest checkpoint while the table is live.
if redis.call('GET', LIVE) ~= VERSION or not data(KEYS[1]) then
    return false
end
return lowest(KEYS[1])
