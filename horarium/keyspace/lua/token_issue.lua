-- Opens a login: a family of refresh tokens and its first token. May end the user's earlier ones.
--
-- KEYS[1]  auth:token:{hash}          HASH  family, generation, user, session_version, created, expires; successor once dead
-- KEYS[2]  auth:family:{id}           HASH  user, token (hash of the living one), generation, created, expires,
--                                           idle (ms it may go without a rotation, 0: any), ends (when it would so far)
-- KEYS[3]  auth:user_tokens:{user}    ZSET  family id -> when it ends, Unix ms
-- ARGV[1]  hash of the token
-- ARGV[2]  id of the family
-- ARGV[3]  user
-- ARGV[4]  session version of the user
-- ARGV[5]  now, Unix ms
-- ARGV[6]  expiry of the family and of every token in it, Unix ms
-- ARGV[7]  how long the family may go without a rotation, ms; 0: until it expires
-- ARGV[8]  '1' ends the user's other families
-- ARGV[9]  what stands before a family's id in its key
--
-- Returns how many families it ended. Sent twice it does no more than once.
local hash, family, user, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now, expires, idle = ARGV[5], ARGV[6], tonumber(ARGV[7])
local ends = expires
if idle > 0 and now + idle < tonumber(expires) then
  ends = string.format('%.0f', now + idle)
end
local ended = 0
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if ARGV[8] == '1' then
  for _, other in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    if other ~= family then
      redis.call('ZREM', KEYS[3], other)
      ended = ended + redis.call('DEL', ARGV[9] .. other)
    end
  end
end
redis.call('HSET', KEYS[1], 'family', family, 'generation', 1, 'user', user, 'session_version', version,
  'created', now, 'expires', expires)
redis.call('HSET', KEYS[2], 'user', user, 'token', hash, 'generation', 1, 'created', now, 'expires', expires,
  'idle', idle, 'ends', ends)
redis.call('ZADD', KEYS[3], ends, family)
redis.call('PEXPIREAT', KEYS[1], expires)
redis.call('PEXPIREAT', KEYS[2], ends)
local last = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[3], last[2])
return ended
