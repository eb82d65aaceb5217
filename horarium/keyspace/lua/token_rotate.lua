-- Changes a refresh token for its successor, or ends the family when the token was changed before.
--
-- The family names its one living token; every other token of it is dead, and dead tokens keep their key until the
-- family expires, so that a thief or a victim who comes second is seen. From the token just changed and its seed the
-- successor can be made once more: while Redis keeps the seed, and the successor lives, presenting it again under the same
-- key is the retry of a call whose answer was lost, and no replay. So it is Redis's clock alone that says how long. The
-- very same call twice, as a client library sends it whose connection broke, names the same successor, and is one call.
--
-- KEYS[1]  auth:token:{hash}          HASH    the token presented
-- KEYS[2]  auth:token:{hash}          HASH    its successor, to be made
-- KEYS[3]  auth:family:{id}           HASH    the family of both
-- KEYS[4]  auth:user_tokens:{user}    ZSET    family id -> when it ends, Unix ms
-- KEYS[5]  auth:retry:{hash}          STRING  the seed of the presented token's successor, for a short while; by the hash
--                                             of the token and of what the caller knows its call by
-- ARGV[1]  hash of the token presented
-- ARGV[2]  hash of the successor
-- ARGV[3]  now, Unix ms
-- ARGV[4]  the seed that the successor was made with
-- ARGV[5]  how long the seed is kept, ms; 0: not at all, there is no retry
--
-- Returns {'rotated', seed of the successor}, {'unknown'}, {'expired'}, {'ended'} (the family is gone) or {'replayed'}
-- (it was dead: now the family is).
local presented, successor, now = ARGV[1], ARGV[2], ARGV[3]
local token = redis.call('HMGET', KEYS[1], 'family', 'user', 'session_version', 'expires', 'successor')
local family, user, version, expires = token[1], token[2], token[3], token[4]
if not family then
  return {'unknown'}
end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
if tonumber(expires) <= tonumber(now) then
  return {'expired'}
end
local kin = redis.call('HMGET', KEYS[3], 'token', 'idle', 'ends')
local living, idle, ends = kin[1], tonumber(kin[2] or 0), kin[3] or expires
if not living then
  return {'ended'}
end
if tonumber(ends) <= tonumber(now) then
  redis.call('DEL', KEYS[3])
  return {'expired'}
end
if living ~= presented then
  if living == token[5] then
    local seed = living == successor and ARGV[4] or tonumber(ARGV[5]) > 0 and redis.call('GET', KEYS[5])
    if seed then
      return {'rotated', seed}
    end
  end
  redis.call('DEL', KEYS[3])
  redis.call('ZREM', KEYS[4], family)
  return {'replayed'}
end
if idle > 0 and now + idle < tonumber(expires) then
  ends = string.format('%.0f', now + idle)
else
  ends = expires
end
local generation = redis.call('HINCRBY', KEYS[3], 'generation', 1)
redis.call('HSET', KEYS[3], 'token', successor, 'ends', ends)
redis.call('PEXPIREAT', KEYS[3], ends)
redis.call('ZADD', KEYS[4], ends, family)
local last = redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[4], last[2])
redis.call('HSET', KEYS[1], 'successor', successor)
if tonumber(ARGV[5]) > 0 then
  redis.call('SET', KEYS[5], ARGV[4], 'PX', ARGV[5])
end
redis.call('HSET', KEYS[2], 'family', family, 'generation', generation, 'user', user, 'session_version', version,
  'created', now, 'expires', expires)
redis.call('PEXPIREAT', KEYS[2], expires)
return {'rotated', ARGV[4]}
