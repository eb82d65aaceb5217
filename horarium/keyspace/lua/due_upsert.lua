-- Puts configs into the due index, unless a newer version of one is there already.
--
-- KEYS[1]  schedule:due   ZSET  config id -> next tick, Unix ms
-- KEYS[2]  schedule:spec  HASH  config id -> "version:json"
-- ARGV     {id, version, tick, json} for each config
--
-- Returns how many were put.
local put = 0
for i = 1, #ARGV, 4 do
  local id, version = ARGV[i], tonumber(ARGV[i + 1])
  local known = redis.call('HGET', KEYS[2], id)
  if not known or tonumber(string.match(known, '^(%d+):')) <= version then
    redis.call('HSET', KEYS[2], id, ARGV[i + 1] .. ':' .. ARGV[i + 3])
    redis.call('ZADD', KEYS[1], ARGV[i + 2], id)
    put = put + 1
  end
end
return put
