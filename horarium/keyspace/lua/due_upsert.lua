-- Puts configs into the due index, unless a newer version of one is there already.
--
-- KEYS[1]  schedule:due   ZSET  config id -> next tick, Unix ms
-- KEYS[2]  schedule:spec  HASH  config id -> "version:json"
-- ARGV[1]  JSON: [[id, version, tick, spec], ...], the id and the spec as text
--
-- Returns how many were put.
local put = 0
for _, entry in ipairs(cjson.decode(ARGV[1])) do
  local id, version = entry[1], entry[2]
  local known = redis.call('HGET', KEYS[2], id)
  if not known or tonumber(string.match(known, '^(%d+):')) <= version then
    redis.call('HSET', KEYS[2], id, string.format('%.0f:%s', version, entry[4]))
    redis.call('ZADD', KEYS[1], string.format('%.0f', entry[3]), id)
    put = put + 1
  end
end
return put
