-- Ends every family of a user; their tokens are dead without it.
--
-- KEYS[1]  auth:user_tokens:{user}    ZSET  family id -> when it ends, Unix ms
-- ARGV[1]  what stands before a family's id in its key
--
-- Returns how many families it ended.
local ended = 0
for _, family in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  ended = ended + redis.call('DEL', ARGV[1] .. family)
end
redis.call('DEL', KEYS[1])
return ended
