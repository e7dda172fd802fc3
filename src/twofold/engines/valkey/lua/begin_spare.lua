-- history, segments, shape; makes the spare at KEYS[1] anew.
local epoch = '0'
if redis.call('EXISTS', KEYS[1]) == 1 then
    epoch = higher_epoch(KEYS[1])
end
drop(VERSION)
make(KEYS[1], VERSION, ARGV[1], ARGV[2], ARGV[3], epoch)
