-- Puts events in front of the histories of several configs, and the last of each as its status.
--
-- KEYS     {schedule:history:{config}, schedule:status:{config}} for each config
-- ARGV[1]  how many events a history keeps
-- ARGV[2]  how long a history outlives its last event, seconds
-- ARGV[3]  how long a status lives, seconds
-- ARGV     then for each config: how many events, and the events as JSON, oldest first
--
-- Returns how many events were pushed.
local at, pushed = 4, 0
for i = 1, #KEYS, 2 do
  local count = tonumber(ARGV[at])
  redis.call('LPUSH', KEYS[i], unpack(ARGV, at + 1, at + count))
  redis.call('LTRIM', KEYS[i], 0, ARGV[1] - 1)
  redis.call('EXPIRE', KEYS[i], ARGV[2])
  redis.call('SET', KEYS[i + 1], ARGV[at + count], 'EX', ARGV[3])
  at = at + count + 1
  pushed = pushed + count
end
return pushed
