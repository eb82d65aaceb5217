-- Reads what is due, earliest first, with what is needed to decide it.
--
-- KEYS[1]  schedule:due   ZSET  config id -> next tick, Unix ms
-- KEYS[2]  schedule:spec  HASH  config id -> "version:json"
-- ARGV[1]  now, Unix ms
-- ARGV[2]  how many due members to pass over
-- ARGV[3]  how many to read at most
--
-- Returns {id, tick, spec, id, tick, spec, ...}; spec is '' where it is missing.
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', ARGV[2], ARGV[3], 'WITHSCORES')
if #due == 0 then
  return {}
end
local ids = {}
for i = 1, #due, 2 do
  ids[#ids + 1] = due[i]
end
local specs = {}
for first = 1, #ids, 1000 do
  local last = math.min(first + 999, #ids)
  local page = redis.call('HMGET', KEYS[2], unpack(ids, first, last))
  for i = 1, #page do
    specs[#specs + 1] = page[i] or ''
  end
end
local answer = {}
for i = 1, #ids do
  answer[#answer + 1] = ids[i]
  answer[#answer + 1] = due[2 * i]
  answer[#answer + 1] = specs[i]
end
return answer
