-- Puts configs into the due index, unless a newer version of one is there already.
--
-- KEYS[1]  schedule:due   ZSET  config id -> next tick, Unix ms
-- KEYS[2]  schedule:spec  HASH  config id -> "version:json"
-- ARGV[1]  JSON: [[id, version, tick, spec], ...], ids and specs as text; at most 1000, and no id twice
--
-- Returns how many were put.
local entries = cjson.decode(ARGV[1])
local ids = {}
for i, entry in ipairs(entries) do
  ids[i] = entry[1]
end
local known = redis.call('HMGET', KEYS[2], unpack(ids))
local specs, ticks = {}, {}
for i, entry in ipairs(entries) do
  local id, version = entry[1], entry[2]
  if not known[i] or tonumber(string.match(known[i], '^(%d+):')) <= version then
    specs[#specs + 1] = id
    specs[#specs + 1] = string.format('%.0f:%s', version, entry[4])
    ticks[#ticks + 1] = string.format('%.0f', entry[3])
    ticks[#ticks + 1] = id
  end
end
if #specs > 0 then
  redis.call('HSET', KEYS[2], unpack(specs))
  redis.call('ZADD', KEYS[1], unpack(ticks))
end
return #specs / 2
