-- Deletes what is left of a queue's past: entries that were acknowledged and not deleted (a worker died between the two),
-- and consumers that have been silent for long and hold nothing.
--
-- KEYS[1]  queue:{name}  STREAM  task messages
-- ARGV[1]  the group
-- ARGV[2]  how many of the oldest entries to look at
-- ARGV[3]  how long a consumer must have been silent, ms
--
-- Returns {entries deleted, consumers deleted}. Such an entry would hide for ever that younger messages were lost.
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then
  return {0, 0}
end
local delivered
for _, group in ipairs(groups) do
  local facts = {}
  for i = 1, #group, 2 do
    facts[group[i]] = group[i + 1]
  end
  if facts['name'] == ARGV[1] then
    delivered = facts['last-delivered-id']
  end
end
if not delivered then
  return {0, 0}
end
local entries, consumers = 0, 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', delivered, 'COUNT', ARGV[2])) do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1) == 0 then
    entries = entries + redis.call('XDEL', KEYS[1], entry[1])
  end
end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #consumer, 2 do
    facts[consumer[i]] = consumer[i + 1]
  end
  if facts['pending'] == 0 and facts['idle'] > tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts['name'])
    consumers = consumers + 1
  end
end
return {entries, consumers}
