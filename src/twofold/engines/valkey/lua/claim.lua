-- segment, holder, milliseconds; returns the epoch, who has the lease then, and for how many milliseconds.
local epoch_name, holder_name = 'epoch:' .. ARGV[1], 'holder:' .. ARGV[1]
local at = redis.call('HMGET', KEYS[1], epoch_name, holder_name, 'until:' .. ARGV[1])
local time, epoch = now(), at[1] or '0'
if at[2] and at[2] ~= ARGV[2] and tonumber(at[3]) > time then
    return { epoch, at[2], number(at[3] - time) }
end
if at[2] ~= ARGV[2] then
    epoch = number(math.max(tonumber(epoch) + 1, time))
end
redis.call('HSET', KEYS[1], epoch_name, epoch, holder_name, ARGV[2], 'until:' .. ARGV[1], number(time + ARGV[3]),
           'lease:' .. ARGV[1], ARGV[3])
return { epoch, ARGV[2], ARGV[3] }
