-- Moves configs on to their next tick: last of all steps, and only where nothing has changed since they were read.
--
-- KEYS[1]  schedule:due   ZSET  config id -> next tick, Unix ms
-- KEYS[2]  schedule:spec  HASH  config id -> "version:json"
-- ARGV     {id, version, tick read, next tick or ''} for each config; '' takes it out
--
-- Returns how many were moved.
local moved = 0
for i = 1, #ARGV, 4 do
  local id, tick, following = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local known = redis.call('HGET', KEYS[2], id)
  if known and string.match(known, '^(%d+):') == ARGV[i + 1]
    and tonumber(redis.call('ZSCORE', KEYS[1], id)) == tonumber(tick) then
    if following == '' then
      redis.call('ZREM', KEYS[1], id)
      redis.call('HDEL', KEYS[2], id)
    else
      redis.call('ZADD', KEYS[1], following, id)
    end
    moved = moved + 1
  end
end
return moved
