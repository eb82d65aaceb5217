-- Moves configs on to their next tick: last of all steps, and only where nothing has changed since they were read.
--
-- KEYS[1]  schedule:due   ZSET  config id -> next tick, Unix ms
-- KEYS[2]  schedule:spec  HASH  config id -> "version:json"
-- ARGV[1]  JSON: [[id, version, tick read, next tick or false], ...], the id as text; false takes the config out
--
-- Returns how many were moved.
local moved = 0
for _, move in ipairs(cjson.decode(ARGV[1])) do
  local id, version, tick, following = move[1], move[2], move[3], move[4]
  local known = redis.call('HGET', KEYS[2], id)
  if known and tonumber(string.match(known, '^(%d+):')) == version
    and tonumber(redis.call('ZSCORE', KEYS[1], id)) == tick then
    if following then
      redis.call('ZADD', KEYS[1], string.format('%.0f', following), id)
    else
      redis.call('ZREM', KEYS[1], id)
      redis.call('HDEL', KEYS[2], id)
    end
    moved = moved + 1
  end
end
return moved
