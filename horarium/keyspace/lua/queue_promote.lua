-- Moves task messages that are due into their queue, the earliest first. A message is in the one or in the other.
--
-- KEYS[1]  delayed:{name}  ZSET    a unique id of 32 characters and a message -> when it is due, Unix ms
-- KEYS[2]  queue:{name}    STREAM  field "data": a taskiq message as JSON
-- ARGV[1]  how many to move at most
--
-- Returns how many were moved.
local now = redis.call('TIME')
local due = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', due, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(members) do
  redis.call('XADD', KEYS[2], '*', 'data', string.sub(member, 33))
  redis.call('ZREM', KEYS[1], member)
end
return #members
