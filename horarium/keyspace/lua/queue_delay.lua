-- Puts a task message aside until it is due, by Redis' own clock.
--
-- KEYS[1]  delayed:{name}  ZSET  a unique id of 32 characters and a message -> when it is due, Unix ms
-- ARGV[1]  in how many ms it is due
-- ARGV[2]  the unique id: two messages may be alike
-- ARGV[3]  the message
--
-- Returns when it is due, Unix ms.
local now = redis.call('TIME')
local due = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[1]
redis.call('ZADD', KEYS[1], string.format('%.0f', due), ARGV[2] .. ARGV[3])
return due
