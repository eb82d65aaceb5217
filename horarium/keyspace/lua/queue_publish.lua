-- Adds task messages to a queue, all or none of them.
--
-- KEYS[1]  queue:{name}  STREAM  field "data": a taskiq message as JSON
-- ARGV     the messages
--
-- Returns how many were added.
for i = 1, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'data', ARGV[i])
end
return #ARGV
