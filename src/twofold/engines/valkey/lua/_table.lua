-- What the scripts of a table share. KEYS[1] is a table's key, `{PREFIX:NAME}:table:VERSION`; the rest of the read model is beside
-- it under the same hash tag, so that all of it is in one slot of a cluster.
--   {…}:table:VERSION   a hash: history, token, shape, segments, begun, lives, head, and of each segment N
--                       checkpoint:N, epoch:N, ready:N, holder:N, until:N, lease:N (milliseconds)
--   {…}:live            the version that is live
--   {…}:versions        the versions that are kept
--   {…}:rows:TOKEN      a hash: rows by key
--   {…}:keys:TOKEN      a sorted set: the same keys in order
--   {…}:parked:TOKEN    a sorted set: parked events by position
--   {…}:first:TOKEN     a hash: the first position of each parked key
-- A table's rows are found by its token, so that tables change places by their names alone.
local BASE = string.match(KEYS[1], '^({[^}]*}:)table:')
local VERSION = string.match(KEYS[1], ':table:(.*)$')
local LIVE, VERSIONS = BASE .. 'live', BASE .. 'versions'
local CHUNK = 2000

local function data(key)
    local token = redis.call('HGET', key, 'token')
    return token and { rows = BASE .. 'rows:' .. token, keys = BASE .. 'keys:' .. token,
                       parked = BASE .. 'parked:' .. token, first = BASE .. 'first:' .. token }
end

local function of_segments(key, field)
    local found = {}
    for segment = 0, tonumber(redis.call('HGET', key, 'segments') or 0) - 1 do
        found[segment + 1] = redis.call('HGET', key, field .. ':' .. number(segment))
    end
    return found
end

local function set_segments(key, field, value)
    for segment = 0, tonumber(redis.call('HGET', key, 'segments')) - 1 do
        redis.call('HSET', key, field .. ':' .. number(segment), value)
    end
end

local function lowest(key)
    local least = nil
    for _, each in ipairs(of_segments(key, 'checkpoint')) do
        least = least and math.min(least, tonumber(each)) or tonumber(each)
    end
    return number(least or 0)
end

-- Higher than any before, also than one that was lost with the database: time goes on meanwhile.
local function higher_epoch(key, other)
    local highest = now()
    for _, each in ipairs(of_segments(key, 'epoch')) do
        highest = math.max(highest, tonumber(each) + 1)
    end
    return number(math.max(highest, other or 0))
end

local function in_chunks(first, last, step, call)
    for from = first, last, CHUNK * step do
        call(from, math.min(from + CHUNK * step - 1, last))
    end
end

local function rows_of(rows, first, last, keys)
    local found = {}
    in_chunks(first, last, 1, function(from, to)
        for _, row in ipairs(redis.call('HMGET', rows, unpack(keys, from, to))) do
            found[#found + 1] = row
        end
    end)
    return found
end
