-- Reads a page of the whole index, earliest first, from where a list of it has come to: in one step, since the index moves
-- all the time, and whatever moved between finding the place and reading from it would put others out of the list.
--
-- KEYS[1]  schedule:due   ZSET  config id -> next tick, Unix ms
-- KEYS[2]  schedule:spec  HASH  config id -> "version:json"
-- ARGV[1]  the config that was read last, '' before the first page
-- ARGV[2]  when it fired, Unix ms
-- ARGV[3]  how many to read at most, up to 1000
--
-- While that config still fires then, the page begins right behind it. Where it has moved on, it begins at the first that
-- fires at that instant, for what came before it may have moved, too: some may be read twice, and none is left out.
--
-- Returns {id, tick, spec, id, tick, spec, ...}; spec is '' where it is missing.
local last, tick, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local place = 0
if last ~= '' then
  local known = redis.call('ZSCORE', KEYS[1], last)
  if known and tonumber(known) == tonumber(tick) then
    place = redis.call('ZRANK', KEYS[1], last) + 1
  else
    place = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. tick)
  end
end
local found = redis.call('ZRANGE', KEYS[1], place, place + most - 1, 'WITHSCORES')
if #found == 0 then
  return {}
end
local ids = {}
for i = 1, #found, 2 do
  ids[#ids + 1] = found[i]
end
local specs = redis.call('HMGET', KEYS[2], unpack(ids))
local answer = {}
for i = 1, #ids do
  answer[#answer + 1] = ids[i]
  answer[#answer + 1] = found[2 * i]
  answer[#answer + 1] = specs[i] or ''
end
return answer
