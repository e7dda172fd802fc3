-- What all scripts share. Times are the server's, in milliseconds.
local function number(value)
    return string.format('%.0f', value)
end

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end
