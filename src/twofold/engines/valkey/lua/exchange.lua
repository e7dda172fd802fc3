-- KEYS[1] is the table, KEYS[2] its spare; they change places. Returns 1 where they did.
local kept, spare = of_segments(KEYS[1], 'checkpoint'), of_segments(KEYS[2], 'checkpoint')
if redis.call('GET', LIVE) ~= VERSION or #kept == 0 or #spare ~= #kept then
    return 0
end
local ready = of_segments(KEYS[2], 'ready')
for n = 1, #kept do
    if ready[n] ~= '1' or tonumber(spare[n]) < tonumber(kept[n]) then
        return 0
    end
end
local epoch = higher_epoch(KEYS[1], tonumber(higher_epoch(KEYS[2])))
set_segments(KEYS[1], 'epoch', epoch)
set_segments(KEYS[2], 'epoch', epoch)
set_segments(KEYS[1], 'ready', '0')
lives(KEYS[2])
redis.call('RENAME', KEYS[1], BASE .. 'aside')
redis.call('RENAME', KEYS[2], KEYS[1])
redis.call('RENAME', BASE .. 'aside', KEYS[2])
return 1
