-- Takes out of the timeout index what is only half in it: such an entry has no attempt or no deadline.
--
-- KEYS[1]  timeout:tasks  HASH  execution id -> attempt
-- KEYS[2]  timeout:index  ZSET  execution id -> deadline, Unix ms
-- ARGV     execution ids to look at
--
-- Returns how many were taken out. One that still runs is put back whole by the sweeper's next look.
local taken = 0
for _, id in ipairs(ARGV) do
  local known = redis.call('HEXISTS', KEYS[1], id) == 1
  local indexed = redis.call('ZSCORE', KEYS[2], id)
  if known and not indexed then
    taken = taken + redis.call('HDEL', KEYS[1], id)
  elseif indexed and not known then
    taken = taken + redis.call('ZREM', KEYS[2], id)
  end
end
return taken
