-- Moves task messages that are due into their queue, the earliest first. A message is in the one or in the other.
--
-- KEYS[1]  delayed:{name}  ZSET    a unique id of 32 characters and a message -> when it is due, Unix ms
-- KEYS[2]  queue:{name}    STREAM  field "data": a taskiq message as JSON
-- ARGV[1]  how many to move at most
--
-- Returns {how many were moved, in how many ms the next one is due, -1 if none waits}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = string.format('%.0f', now)
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', due, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(members) do
  redis.call('XADD', KEYS[2], '*', 'data', string.sub(member, 33))
  redis.call('ZREM', KEYS[1], member)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {#members, first[2] and math.max(first[2] - now, 0) or -1}
