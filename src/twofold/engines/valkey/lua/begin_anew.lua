-- history, segments, shape, the least epoch; makes the table at KEYS[1] anew: a spare, or a shadow.
local epoch = ARGV[4]
if redis.call('EXISTS', KEYS[1]) == 1 then
    epoch = number(math.max(tonumber(epoch), tonumber(higher_epoch(KEYS[1]))))
end
drop(VERSION)
make(KEYS[1], VERSION, ARGV[1], ARGV[2], ARGV[3], epoch)
