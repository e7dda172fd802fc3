-- What the scripts that write share.
local function make(key, version, history, segments, shape, epoch)
    redis.call('HSET', key, 'history', history, 'segments', segments, 'shape', shape, 'lives', '0', 'head', '0',
               'token', number(redis.call('INCR', BASE .. 'tokens')), 'begun', number(now()))
    for segment = 0, tonumber(segments) - 1 do
        local n = number(segment)
        redis.call('HSET', key, 'checkpoint:' .. n, '0', 'ready:' .. n, '0')
        redis.call('HSETNX', key, 'epoch:' .. n, epoch)
    end
    redis.call('SADD', VERSIONS, version)
end

local function drop(version)
    local key = BASE .. 'table:' .. version
    local found = data(key)
    if found then
        redis.call('UNLINK', found.rows, found.keys, found.parked, found.first)
    end
    redis.call('UNLINK', key)
    redis.call('SREM', VERSIONS, version)
end

local function lives(key)
    redis.call('HSET', key, 'lives', number(redis.call('INCR', BASE .. 'lives')))
end

-- Stores the rows at ARGV[at], preceded by their count, and deletes those of the keys behind them; returns what is next.
local function store(found, at)
    local count = tonumber(ARGV[at])
    in_chunks(at + 1, at + 2 * count, 2, function(from, to)
        if redis.call('HSET', found.rows, unpack(ARGV, from, to)) > 0 then
            local scored = {}
            for place = from, to, 2 do
                scored[#scored + 1] = '0'
                scored[#scored + 1] = ARGV[place]
            end
            redis.call('ZADD', found.keys, unpack(scored))
        end
    end)
    at = at + 1 + 2 * count
    count = tonumber(ARGV[at])
    in_chunks(at + 1, at + count, 1, function(from, to)
        redis.call('HDEL', found.rows, unpack(ARGV, from, to))
        redis.call('ZREM', found.keys, unpack(ARGV, from, to))
    end)
    return at + 1 + count
end
