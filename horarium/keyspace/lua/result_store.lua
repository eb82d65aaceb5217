-- Stores what kicked tasks came to, each for as long.
--
-- KEYS     result:{task_id} of each   STRING  the result as JSON
-- ARGV[1]  how long each is kept, seconds
-- ARGV     then the results, in the order of the keys
--
-- Returns how many were stored.
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 1], 'EX', ARGV[1])
end
return #KEYS
