-- Changes a refresh token for its successor, or ends the family when the token was changed before.
--
-- The family names its one living token; every other token of it is dead, and dead tokens keep their key until the
-- family expires, so that a thief or a victim who comes second is seen.
--
-- KEYS[1]  auth:token:{hash}          HASH  the token presented
-- KEYS[2]  auth:token:{hash}          HASH  its successor, to be made
-- KEYS[3]  auth:family:{id}           HASH  the family of both
-- KEYS[4]  auth:user_tokens:{user}    ZSET  family id -> expiry, Unix ms
-- ARGV[1]  hash of the token presented
-- ARGV[2]  hash of the successor
-- ARGV[3]  now, Unix ms
--
-- Returns 'rotated', 'unknown', 'expired', 'ended' (the family is gone) or 'replayed' (it was dead: now the family is).
local presented, successor, now = ARGV[1], ARGV[2], ARGV[3]
local token = redis.call('HMGET', KEYS[1], 'family', 'user', 'session_version', 'expires', 'successor')
local family, user, version, expires = token[1], token[2], token[3], token[4]
if not family then
  return 'unknown'
end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
if tonumber(expires) <= tonumber(now) then
  return 'expired'
end
local living = redis.call('HGET', KEYS[3], 'token')
if not living then
  return 'ended'
end
-- The client library sends a call again when the connection broke before the answer: that is no replay.
if token[5] == successor and living == successor then
  return 'rotated'
end
if living ~= presented then
  redis.call('DEL', KEYS[3])
  redis.call('ZREM', KEYS[4], family)
  return 'replayed'
end
local generation = redis.call('HINCRBY', KEYS[3], 'generation', 1)
redis.call('HSET', KEYS[3], 'token', successor)
redis.call('HSET', KEYS[1], 'successor', successor)
redis.call('HSET', KEYS[2], 'family', family, 'generation', generation, 'user', user, 'session_version', version,
  'created', now, 'expires', expires)
redis.call('PEXPIREAT', KEYS[2], expires)
return 'rotated'
